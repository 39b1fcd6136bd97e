package api_test

import (
	"testing"
	"time"

	"imago/services/oktasim/internal/doc"
)

// authenticator is the id of the org's authenticator of a key.
func (s *sim) authenticator(key string) string {
	s.Helper()
	for _, x := range s.list("/api/v1/authenticators") {
		if x["key"] == key {
			return doc.String(x, "id")
		}
	}
	return doc.String(s.create("/api/v1/authenticators", doc.Doc{"key": key, "name": key}), "id")
}

func TestAuthenticatorEnrollments(t *testing.T) {
	t.Parallel()
	s := startSmall(t, "oie")
	user := "/api/v1/users/" + doc.String(s.get("/api/v1/users/me"), "id")
	path := user + "/authenticator-enrollments"
	phone := s.authenticator("phone_number")
	x := s.create(path+"/phone", doc.Doc{"authenticatorId": phone, "profile": doc.Doc{"phoneNumber": "+15554151337"}})
	if x["key"] != "phone_number" || x["type"] != "phone" || x["name"] != "Phone" || x["status"] != "ACTIVE" {
		t.Errorf("got %v", x)
	}
	self := path + "/" + doc.String(x, "id")
	for query, number := range map[string]string{"": "XXXXXXXX1337", "?discloseIdentifiers=phone": "+15554151337"} {
		if got := doc.Get(s.get(self+query), "profile", "phoneNumber"); got != number {
			t.Errorf("%s: got %v, want %s", query, got, number)
		}
	}
	if got := doc.String(s.get(user+"/factors/"+doc.String(x, "id")), "factorType"); got != "sms" {
		t.Errorf("the factor is %s", got)
	}
	s.refused(400, "E0000001", "authenticatorId", "POST", path+"/phone", doc.Doc{"authenticatorId": s.authenticator("okta_email")})
	s.refused(404, "E0000007", "aut0", "POST", path+"/phone", doc.Doc{"authenticatorId": "aut0"})
	s.refused(400, "E0000001", "Phone Number", "POST", path+"/phone", doc.Doc{"authenticatorId": phone})
	s.want(204, "DELETE", self, nil)
	s.refused(404, "E0000007", "AuthenticatorEnrollment", "DELETE", self, nil)
	if got := s.list(path); len(got) != 0 {
		t.Errorf("left are %v", got)
	}
}

// TestTemporaryAccessCodes are shown once and expire.
func TestTemporaryAccessCodes(t *testing.T) {
	t.Parallel()
	s := startSmall(t, "oie")
	path := "/api/v1/users/" + doc.String(s.get("/api/v1/users/me"), "id") + "/authenticator-enrollments"
	tac := s.authenticator("tac")
	s.refused(400, "E0000001", "ttl", "POST", path+"/tac", doc.Doc{"authenticatorId": tac, "profile": doc.Doc{"ttl": "5"}})
	s.create(path+"/tac", doc.Doc{"authenticatorId": tac})
	x := s.create(path+"/tac", doc.Doc{"authenticatorId": tac, "profile": doc.Doc{"ttl": "60", "multiUse": true}})
	if len(doc.String(x, "profile", "tac")) != 16 || doc.String(x, "profile", "expiresAt") != "2026-03-02T13:00:00.000Z" {
		t.Errorf("got %v", x)
	}
	list := s.list(path)
	if len(list) != 1 || list[0]["status"] != "ACTIVE" || doc.Get(list[0], "profile", "tac") != nil {
		t.Errorf("got %v", list)
	}
	s.clock.Advance(61 * time.Minute)
	if got := s.get(path + "/" + doc.String(x, "id"))["status"]; got != "EXPIRED" {
		t.Errorf("after an hour it is %v", got)
	}
	s.want(204, "DELETE", path+"/"+doc.String(x, "id"), nil)
}

// TestFactorVerification asks for proofs as the factor's type wants.
func TestFactorVerification(t *testing.T) {
	t.Parallel()
	s := startSmall(t, "oie")
	path := "/api/v1/users/" + doc.String(s.get("/api/v1/users/me"), "id") + "/factors"
	enroll := func(kind string, profile doc.Doc) string {
		x := s.create(path+"?activate=true", doc.Doc{"factorType": kind, "provider": "OKTA", "profile": profile})
		return path + "/" + doc.String(x, "id") + "/verify"
	}
	question := enroll("question", doc.Doc{"question": "favorite_toy", "answer": "blocks"})
	s.refused(403, "E0000068", "answer", "POST", question, doc.Doc{"answer": "dolls"})
	if got := s.create(question, doc.Doc{"answer": "Blocks"})["factorResult"]; got != "SUCCESS" {
		t.Errorf("got %v", got)
	}
	sms := enroll("sms", doc.Doc{"phoneNumber": "+15554151337"})
	for body, result := range map[string]string{"": "CHALLENGE", "123456": "SUCCESS"} {
		if got := s.create(sms, doc.Doc{"passCode": body})["factorResult"]; got != result {
			t.Errorf("%q: got %v, want %s", body, got, result)
		}
	}
	push := s.create(enroll("push", doc.Doc{}), nil)
	poll := doc.String(push, "_links", "poll", "href")[len(s.url):]
	if push["factorResult"] != "WAITING" || s.get(poll)["factorResult"] != "WAITING" {
		t.Errorf("got %v", push)
	}
	s.clock.Advance(6 * time.Minute)
	if x := s.get(poll); x["factorResult"] != "TIMEOUT" || doc.Get(x, "_links", "verify") == nil {
		t.Errorf("got %v", x)
	}
	s.want(204, "DELETE", poll, nil)
	s.refused(404, "E0000007", "FactorTransaction", "GET", poll, nil)
}

// TestPreregistrations are set up by a provider, found wanting and deleted.
func TestPreregistrations(t *testing.T) {
	t.Parallel()
	s := startSmall(t, "oie")
	me := doc.String(s.get("/api/v1/users/me"), "id")
	const path = "/webauthn-registration/api/v1/"
	order := doc.Doc{"userId": me, "fulfillmentProvider": "yubico"}
	asked := s.create(path+"enroll", doc.Merge(order, doc.Doc{"enrollmentRpIds": doc.Array("a.example", "b.example")}))
	requests, isList := asked["credRequests"].([]any)
	if !isList || len(requests) != 2 {
		t.Fatalf("got %v", asked)
	}
	first := doc.String(requests[0].(doc.Doc), "authenticatorEnrollmentId")
	answers := func(id, jwe string) doc.Doc {
		return doc.Merge(order, doc.Doc{"pinResponseJwe": "a.b.c.d.e", "credResponses": []any{doc.Doc{"authenticatorEnrollmentId": id, "credResponseJwe": jwe}}})
	}
	s.refused(400, "E0000001", "credResponseJwe", "POST", path+"activate", answers(first, "x"))
	s.refused(404, "E0000007", "fwf0", "POST", path+"activate", answers("fwf0", "a.b.c.d.e"))
	if got := s.create(path+"activate", answers(first, "a.b.c.d.e")); len(got["authenticatorEnrollmentIds"].([]any)) != 1 {
		t.Errorf("got %v", got)
	}
	list := s.list(path + "users/" + me + "/enrollments")
	status := map[any]any{}
	for _, x := range list {
		status[x["id"]] = x["status"]
	}
	if len(list) != 2 || status[first] != "ACTIVE" {
		t.Errorf("got %v", list)
	}
	s.want(204, "POST", path+"send-pin", doc.Merge(order, doc.Doc{"authenticatorEnrollmentId": first}))
	s.want(204, "POST", path+"initiate-fulfillment-request", doc.Merge(order, doc.Doc{"fulfillmentData": []any{doc.Doc{"productId": "p"}}}))
	s.want(204, "POST", path+"users/"+me+"/enrollments/"+first+"/mark-error", nil)
	s.want(204, "DELETE", path+"users/"+me+"/enrollments/"+first, nil)
	s.refused(404, "E0000007", first, "POST", path+"send-pin", doc.Merge(order, doc.Doc{"authenticatorEnrollmentId": first}))
	s.refused(400, "E0000001", "yubico", "POST", path+"enroll", doc.Doc{"userId": me, "fulfillmentProvider": "acme"})
	s.refused(400, "E0000001", "userId", "POST", path+"enroll", doc.Doc{"fulfillmentProvider": "yubico"})
	if len(only(s.events(), "system.mfa.preregister.initiate")) != 1 {
		t.Error("the log does not tell of the order")
	}
}
