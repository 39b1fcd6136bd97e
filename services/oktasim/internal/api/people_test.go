package api_test

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"imago/services/oktasim/internal/doc"
)

// person creates an active user with a password and returns their path.
func (s *sim) person(login string) string {
	s.Helper()
	u := newUser(login)
	u["credentials"] = doc.Doc{"password": doc.Doc{"value": "First-Secret-1"}}
	return "/api/v1/users/" + doc.String(s.create("/api/v1/users", u), "id")
}

func TestUserTransitions(t *testing.T) {
	t.Parallel()
	s := startSmall(t, "oie")
	path := s.person("moves@x.example")
	for _, step := range []struct {
		operation string
		status    int
		code      string
		then      string
	}{
		{"unlock", 403, "E0000032", "ACTIVE"},
		{"unsuspend", 400, "E0000001", "ACTIVE"},
		{"expire_password", 200, "", "PASSWORD_EXPIRED"},
		{"suspend", 400, "E0000001", "PASSWORD_EXPIRED"},
		{"reset_password?sendEmail=false", 200, "", "RECOVERY"},
		{"reactivate?sendEmail=false", 200, "", "PROVISIONED"},
		{"expire_password_with_temp_password", 200, "", "PASSWORD_EXPIRED"},
		{"reset_factors", 200, "", "PASSWORD_EXPIRED"},
		{"deactivate", 200, "", "DEPROVISIONED"},
		{"reset_password", 403, "E0000038", "DEPROVISIONED"},
	} {
		a := s.want(step.status, "POST", path+"/lifecycle/"+step.operation, nil).object(t)
		if step.code != "" && a["errorCode"] != any(step.code) {
			t.Errorf("%s: got %v, want %s", step.operation, a["errorCode"], step.code)
		}
		if got := s.get(path)["status"]; got != step.then {
			t.Fatalf("after %s: got %v, want %s", step.operation, got, step.then)
		}
	}
}

func TestLifecycleAnswers(t *testing.T) {
	t.Parallel()
	s := startSmall(t, "oie")
	path := s.person("asks@x.example")
	for operation, field := range map[string]string{
		"lifecycle/reset_password?sendEmail=false":     "resetPasswordUrl",
		"lifecycle/expire_password_with_temp_password": "tempPassword",
		"lifecycle/expire_password":                    "status",
	} {
		if a := s.want(200, "POST", path+"/"+operation, nil).object(t); doc.String(a, field) == "" {
			t.Errorf("%s answers %v without %s", operation, a, field)
		}
	}
	if a := s.want(200, "POST", path+"/lifecycle/reset_password?sendEmail=true", nil).object(t); len(a) > 0 {
		t.Errorf("a reset by mail answers %v", a)
	}
}

func TestPasswordsAtCreation(t *testing.T) {
	t.Parallel()
	s := startSmall(t, "oie")
	with := func(login, password string) doc.Doc {
		u := newUser(login)
		u["credentials"] = doc.Doc{"password": doc.Doc{"value": password}}
		return u
	}
	s.refused(400, "E0000124", "password must be specified", "POST", "/api/v1/users?nextLogin=changePassword", newUser("a@x.example"))
	s.refused(400, "E0000125", "must be true", "POST", "/api/v1/users?nextLogin=changePassword&activate=false", with("b@x.example", "Good-Secret-1"))
	for _, weak := range []string{"Sh0rt", "nocapitals1", "NOSMALLS11", "NoDigitsHere", "Longname-1234"} {
		s.refused(400, "E0000001", "Password requirements", "POST", "/api/v1/users", with("longname@x.example", weak))
	}
	u := s.create("/api/v1/users?nextLogin=changePassword", with("c@x.example", "Good-Secret-1"))
	if u["status"] != "PASSWORD_EXPIRED" {
		t.Errorf("got %v", u["status"])
	}
}

func TestCredentials(t *testing.T) {
	t.Parallel()
	s := startSmall(t, "oie")
	path := s.person("keeps@x.example") + "/credentials/"
	value := func(s string) doc.Doc { return doc.Doc{"value": s} }
	change := func(from, to string) doc.Doc { return doc.Doc{"oldPassword": value(from), "newPassword": value(to)} }
	question := doc.Doc{"question": "Which ship?", "answer": "Argo the great"}

	s.refused(403, "E0000014", "Old Password", "POST", path+"change_password", change("Wrong-Secret-1", "Second-Secret-2"))
	s.refused(400, "E0000001", "requirements", "POST", path+"change_password", change("First-Secret-1", "weak"))
	s.want(200, "POST", path+"change_password", change("First-Secret-1", "Second-Secret-2"))
	s.refused(403, "E0000014", "Old Password", "POST", path+"change_password", change("First-Secret-1", "Third-Secret-3"))

	s.refused(403, "E0000014", "Password", "POST", path+"change_recovery_question", doc.Doc{"password": value("First-Secret-1"), "recovery_question": question})
	c := s.want(200, "POST", path+"change_recovery_question", doc.Doc{"password": value("Second-Secret-2"), "recovery_question": question}).object(t)
	if got := doc.String(c, "recovery_question", "question"); got != "Which ship?" || doc.Object(c, "recovery_question")["answer"] != nil {
		t.Errorf("got %v", c)
	}
	forgot := func(answer string) doc.Doc {
		return doc.Doc{"password": value("Fourth-Secret-4"), "recovery_question": doc.Doc{"answer": answer}}
	}
	s.refused(403, "E0000014", "did not match", "POST", path+"forgot_password", forgot("Titanic"))
	s.want(200, "POST", path+"forgot_password", forgot("argo the GREAT"))
	s.want(200, "POST", path+"change_password", change("Fourth-Secret-4", "Fifth-Secret-5"))
	if a := s.want(200, "POST", path+"forgot_password?sendEmail=false", nil).object(t); doc.String(a, "resetPasswordUrl") == "" {
		t.Errorf("got %v", a)
	}
}

func TestFactors(t *testing.T) {
	t.Parallel()
	s := startSmall(t, "classic")
	user := s.person("proves@x.example")
	path := user + "/factors"
	enroll := func(question, answer string) doc.Doc {
		return doc.Doc{"factorType": "question", "provider": "OKTA", "profile": doc.Doc{"question": question, "answer": answer}}
	}
	s.refused(400, "E0000001", "Invalid Question", "POST", path, enroll("no_such_question", "meatball"))
	s.refused(400, "E0000001", "at least 4", "POST", path, enroll("disliked_food", "eel"))
	s.refused(400, "E0000001", "Phone", "POST", path, doc.Doc{"factorType": "sms", "provider": "OKTA", "profile": doc.Doc{"phoneNumber": "911"}})
	f := s.want(200, "POST", path, enroll("disliked_food", "meatball")).object(t)
	if f["status"] != "ACTIVE" || doc.String(f, "profile", "questionText") == "" || doc.Object(f, "profile")["answer"] != nil {
		t.Errorf("got %v", f)
	}
	s.refused(400, "E0000001", "already set up", "POST", path, enroll("favorite_toy", "tractor"))
	at := path + "/" + doc.String(f, "id")
	f = s.want(200, "PUT", at, doc.Doc{"profile": doc.Doc{"question": "favorite_toy", "answer": "tractor"}}).object(t)
	if got := doc.String(f, "profile", "questionText"); !strings.Contains(got, "toy") {
		t.Errorf("the question is %q", got)
	}
	sms := s.want(200, "POST", path, doc.Doc{"factorType": "sms", "provider": "OKTA", "profile": doc.Doc{"phoneNumber": "+15554151337"}}).object(t)
	if sms["status"] != "PENDING_ACTIVATION" || !strings.HasPrefix(doc.String(sms, "id"), "mbl") {
		t.Errorf("got %v", sms)
	}
	s.want(200, "POST", path+"/"+doc.String(sms, "id")+"/lifecycle/activate", doc.Doc{"passCode": "123456"})
	if got := names(s.list(path), "status"); !slices.Equal(got, []string{"ACTIVE", "ACTIVE"}) {
		t.Errorf("factors are %v", got)
	}
	s.want(200, "POST", user+"/lifecycle/reset_factors", nil)
	if got := s.list(path); len(got) > 0 {
		t.Errorf("a reset left %v", got)
	}
	if len(s.list(path+"/questions")) < 10 || len(s.list(path+"/catalog")) == 0 {
		t.Error("there are no questions or no catalog")
	}
}

// TestFactorResetLink is offered to people with factors alone where the org lacks the feature.
func TestFactorResetLink(t *testing.T) {
	t.Parallel()
	s := startSmall(t, "classic")
	path := s.person("resets@x.example")
	link := func() bool { return doc.Object(s.get(path), "_links", "resetFactors") != nil }
	if !link() {
		t.Error("the link is missing from an org that has the feature")
	}
	if err := s.org.Update(func() error { s.org.SetLicensed("factor_reset", false); return nil }); err != nil {
		t.Fatal(err)
	}
	if link() {
		t.Error("the link is there without a factor")
	}
	s.want(200, "POST", path+"/factors", doc.Doc{"factorType": "question", "provider": "OKTA", "profile": doc.Doc{"question": "disliked_food", "answer": "meatball"}})
	if !link() {
		t.Error("the link is missing from one who has a factor")
	}
}

func TestRiskAndClassification(t *testing.T) {
	t.Parallel()
	s := startSmall(t, "oie")
	path := s.person("risky@x.example")
	if got := s.get(path + "/risk"); got["riskLevel"] != "NONE" || got["reason"] != nil {
		t.Errorf("got %v", got)
	}
	s.refused(400, "E0000001", "riskLevel", "PUT", path+"/risk", doc.Doc{"riskLevel": "NONE"})
	s.want(201, "PUT", path+"/risk", doc.Doc{"riskLevel": "HIGH"})
	s.want(200, "PUT", path+"/risk", doc.Doc{"riskLevel": "LOW"})
	if got := s.get(path + "/risk"); got["riskLevel"] != "LOW" || got["reason"] == nil {
		t.Errorf("got %v", got)
	}
	s.want(200, "PUT", path+"/classification", doc.Doc{"type": "LITE"})
	s.refused(400, "E0000001", "type", "PUT", path+"/classification", doc.Doc{"type": "HEAVY"})
	if got := s.get(path + "/classification")["type"]; got != "LITE" {
		t.Errorf("got %v", got)
	}
}

func TestLinkedObjects(t *testing.T) {
	t.Parallel()
	s := startSmall(t, "oie")
	const definitions = "/api/v1/meta/schemas/user/linkedObjects"
	side := func(name string) doc.Doc { return doc.Doc{"name": name, "title": name, "type": "USER"} }
	s.want(201, "POST", definitions, doc.Doc{"primary": side("manager"), "associated": side("subordinate")})
	s.refused(409, "E0000127", "in use", "POST", definitions, doc.Doc{"primary": side("manager"), "associated": side("report")})
	boss, anna, ben := s.person("boss@x.example"), s.person("anna@x.example"), s.person("ben@x.example")
	id := func(path string) string { return path[strings.LastIndex(path, "/")+1:] }
	linked := func(path, relation string) []string {
		t.Helper()
		return names(s.list(path+"/linkedObjects/"+relation), "_links", "self", "href")
	}
	for _, u := range []string{anna, ben} {
		s.want(204, "PUT", u+"/linkedObjects/manager/"+id(boss), nil)
	}
	s.refused(500, "E0000261", "manager", "PUT", boss+"/linkedObjects/manager/"+id(boss), nil)
	s.refused(404, "E0000007", "(LinkedObjectProperty)", "PUT", anna+"/linkedObjects/subordinate/"+id(boss), nil)
	s.refused(404, "E0000007", "(LinkedObjectProperty)", "GET", anna+"/linkedObjects/friend", nil)
	if got := linked(anna, "manager"); !slices.Equal(got, []string{s.url + boss}) {
		t.Errorf("anna's manager is %v", got)
	}
	if got := linked(boss, "subordinate"); len(got) != 2 {
		t.Errorf("the subordinates are %v", got)
	}
	s.want(204, "DELETE", ben+"/linkedObjects/manager", nil)
	if got := linked(boss, "subordinate"); !slices.Equal(got, []string{s.url + anna}) {
		t.Errorf("the subordinates are %v", got)
	}
	s.want(204, "DELETE", boss, nil)
	s.want(204, "DELETE", boss, nil)
	if got := linked(anna, "manager"); len(got) > 0 {
		t.Errorf("a manager who is no more is %v", got)
	}
	s.want(204, "DELETE", definitions+"/manager", nil)
	s.refused(404, "E0000007", "(LinkedObjectProperty)", "GET", anna+"/linkedObjects/manager", nil)
}

func TestUserTypesHaveSchemas(t *testing.T) {
	t.Parallel()
	s := startSmall(t, "oie")
	k := s.create("/api/v1/meta/types/user", doc.Doc{"name": "sailor", "displayName": "Sailor", "description": "At sea"})
	schema := strings.TrimPrefix(doc.String(k, "_links", "schema", "href"), s.url)
	attribute := func(fields doc.Doc) doc.Doc {
		return doc.Doc{"definitions": doc.Doc{"custom": doc.Doc{"properties": doc.Doc{"rank": fields}}}}
	}
	s.want(200, "POST", schema, attribute(doc.Doc{"title": "Rank", "type": "string", "required": true, "enum": []any{"mate", "captain"}}))
	base := doc.Object(s.get(schema), "definitions", "base", "properties")
	if !doc.Bool(base, "lastName", "required") {
		t.Error("people of a further type need no last name")
	}
	if d := doc.Object(s.get("/api/v1/meta/schemas/user/default"), "definitions", "custom"); len(doc.Object(d, "properties")) > 0 || d["required"] != nil {
		t.Errorf("the default type got %v", d)
	}

	sailor := func(rank any) doc.Doc {
		u := newUser("sailor@x.example")
		u["type"] = doc.Doc{"id": k["id"]}
		doc.Object(u, "profile")["rank"] = rank
		return u
	}
	s.refused(400, "E0000001", "rank: The field cannot be left blank", "POST", "/api/v1/users", sailor(nil))
	s.refused(400, "E0000001", "must be one of mate, captain", "POST", "/api/v1/users", sailor("king"))
	s.refused(400, "E0000001", "type string", "POST", "/api/v1/users", sailor(7))
	u := s.create("/api/v1/users", sailor("mate"))
	if got := doc.String(u, "_links", "schema", "href"); got != s.url+schema {
		t.Errorf("the user's schema is %s", got)
	}
	s.refused(400, "E0000001", "not defined in profile", "PUT", "/api/v1/users/"+doc.String(u, "id"), doc.Doc{"profile": doc.Doc{
		"login": "sailor@x.example", "email": "sailor@x.example", "firstName": "A", "lastName": "B", "rank": "mate", "ship": "Argo"}})
	s.refused(403, "E0000142", "", "DELETE", "/api/v1/meta/types/user/"+doc.String(k, "id"), nil)
	for range 2 {
		s.want(204, "DELETE", "/api/v1/users/"+doc.String(u, "id"), nil)
	}
	s.want(204, "DELETE", "/api/v1/meta/types/user/"+doc.String(k, "id"), nil)
	s.refused(404, "E0000007", "(UserSchema)", "GET", schema, nil)
}

func TestAttributes(t *testing.T) {
	t.Parallel()
	s := startSmall(t, "oie")
	const path = "/api/v1/meta/schemas/user/default"
	amend := func(part, name string, v any) doc.Doc {
		return doc.Doc{"definitions": doc.Doc{part: doc.Doc{"properties": doc.Doc{name: v}}}}
	}
	text := doc.Doc{"title": "Badge", "type": "string", "required": false, "pattern": nil, "maxLength": 3}
	for _, x := range []struct {
		part, name string
		v          any
		words      string
	}{
		{"base", "shoeSize", doc.Doc{"title": "x"}, "not defined"},
		{"base", "login", nil, "cannot be deleted"},
		{"custom", "email", text, "base attribute already"},
		{"custom", "1st", text, "must begin with a letter"},
		{"custom", "x", doc.Doc{"type": "string"}, "title"},
		{"custom", "x", doc.Doc{"title": "x", "type": "date"}, "is not one of"},
	} {
		s.refused(400, "E0000001", x.words, "POST", path, amend(x.part, x.name, x.v))
	}
	got := doc.Object(s.want(200, "POST", path, amend("custom", "badge", text)).object(t), "definitions", "custom", "properties", "badge")
	if _, said := got["required"]; said || got["mutability"] != "READ_WRITE" || got["scope"] != "NONE" {
		t.Errorf("the attribute is %v", got)
	}
	s.refused(400, "E0000001", "cannot be changed", "POST", path, amend("custom", "badge", doc.Doc{"title": "Badge", "type": "number"}))

	u := newUser("badge@x.example")
	doc.Object(u, "profile")["badge"] = "four"
	s.refused(400, "E0000001", "at most 3", "POST", "/api/v1/users", u)
	doc.Object(u, "profile")["badge"] = "tin"
	user := "/api/v1/users/" + doc.String(s.create("/api/v1/users", u), "id")
	s.want(200, "POST", path, amend("custom", "badge", nil))
	if v := doc.Object(s.get(user), "profile")["badge"]; v != nil {
		t.Errorf("a deleted attribute left %v", v)
	}
	s.refused(400, "E0000001", "deletion process", "POST", path, amend("custom", "badge", text))
	s.clock.Advance(time.Second)
	s.want(200, "POST", path, amend("custom", "badge", text))
	s.want(200, "POST", path, amend("base", "firstName", doc.Doc{"required": false}))
	if got := doc.Strings(s.get(path), "definitions", "base", "required"); !reflect.DeepEqual(got, []string{"login", "email"}) {
		t.Errorf("required are %v", got)
	}
}

func TestLimitsOfTheDirectory(t *testing.T) {
	t.Parallel()
	s := startSmall(t, "oie")
	g := doc.String(s.list("/api/v1/groups?q=G")[0], "id")
	u := newUser("many@x.example")
	u["groupIds"] = doc.Array(slices.Repeat([]string{g}, 21)...)
	s.refused(400, "E0000001", "groupIds", "POST", "/api/v1/users", u)
	rule := func(targets, excluded int) doc.Doc {
		return doc.Doc{
			"type": "group_rule", "name": "Many",
			"conditions": doc.Doc{
				"expression": doc.Doc{"type": "urn:okta:expression:1.0", "value": `user.title == "x"`},
				"people":     doc.Doc{"users": doc.Doc{"exclude": doc.Array(slices.Repeat([]string{"00u1"}, excluded)...)}},
			},
			"actions": doc.Doc{"assignUserToGroups": doc.Doc{"groupIds": doc.Array(slices.Repeat([]string{g}, targets)...)}},
		}
	}
	s.refused(400, "E0000001", "validateRule", "POST", "/api/v1/groups/rules", rule(101, 0))
	s.refused(400, "E0000001", "validateRule", "POST", "/api/v1/groups/rules", rule(1, 101))
	s.want(200, "POST", "/api/v1/groups/rules", rule(1, 100))
}

// TestAppLinks are what a person finds on the dashboard.
func TestAppLinks(t *testing.T) {
	t.Parallel()
	s := startSmall(t, "oie")
	me := doc.String(s.get("/api/v1/users/me"), "id")
	path := "/api/v1/users/" + me + "/appLinks"
	if got := s.list(path); len(got) != 0 {
		t.Errorf("nobody gave %v", got)
	}
	app := s.list("/api/v1/apps")[0]
	s.create("/api/v1/apps/"+doc.String(app, "id")+"/users", doc.Doc{"id": me})
	got := s.list(path)
	if len(got) != 1 || got[0]["label"] != "B" || got[0]["appInstanceId"] != app["id"] || got[0]["hidden"] != false {
		t.Fatalf("got %v", got)
	}
	home, isList := doc.Get(app, "_links", "appLinks").([]any)
	if !isList || got[0]["linkUrl"] != home[0].(doc.Doc)["href"] {
		t.Errorf("got %v, want a link of %v", got[0]["linkUrl"], home)
	}
	s.want(200, "POST", "/api/v1/apps/"+doc.String(app, "id")+"/lifecycle/deactivate", nil)
	if got := s.list(path); len(got) != 0 {
		t.Errorf("an inactive app shows %v", got)
	}
	s.refused(404, "E0000007", "nobody", "GET", "/api/v1/users/nobody/appLinks", nil)
}

// TestRealmOperations move the people whom an assignment means.
func TestRealmOperations(t *testing.T) {
	t.Parallel()
	s := startSmall(t, "oie")
	realm := s.create("/api/v1/realms", doc.Doc{"profile": doc.Doc{"name": "R"}})
	app := doc.String(s.list("/api/v1/apps")[0], "id")
	assignment := func(name, condition string) string {
		return doc.String(s.create("/api/v1/realm-assignments", doc.Doc{
			"name": name, "conditions": doc.Doc{"profileSourceId": app, "expression": doc.Doc{"value": condition}},
			"actions": doc.Doc{"assignUserToRealm": doc.Doc{"realmId": realm["id"]}},
		}), "id")
	}
	means, broken := assignment("means", `user.profile.firstName=="Ada"`), assignment("broken", "user.profile.firstName ===")
	person := func(first string, has bool) string {
		id := doc.String(s.create("/api/v1/users", doc.Doc{"profile": doc.Doc{"login": first + "@y.example", "email": first + "@y.example", "firstName": first, "lastName": "P"}}), "id")
		if has {
			s.create("/api/v1/apps/"+app+"/users", doc.Doc{"id": id})
		}
		return id
	}
	moved, other := person("Ada", true), person("Bob", true)
	const path = "/api/v1/realm-assignments/operations"
	x := s.want(201, "POST", path, doc.Doc{"assignmentId": means}).object(t)
	if x["status"] != "SCHEDULED" || x["completed"] != nil || x["realmName"] != "R" {
		t.Errorf("got %v", x)
	}
	s.want(201, "POST", path, doc.Doc{"assignmentId": broken})
	list := s.list(path)
	if len(list) != 2 || list[0]["status"] != "FAILED" || list[1]["status"] != "COMPLETED" || fmt.Sprint(list[1]["numUserMoved"]) != "1" {
		t.Errorf("got %v", list)
	}
	if s.get("/api/v1/users/" + moved)["realmId"] != realm["id"] || s.get("/api/v1/users/" + other)["realmId"] == realm["id"] {
		t.Error("the wrong people were moved")
	}
	s.refused(404, "E0000007", "rul0", "POST", path, doc.Doc{"assignmentId": "rul0"})
	if e := s.events(); len(only(e, "user.realm.update")) != 1 || len(only(e, "directory.realm.assignment.execution_completed")) != 2 {
		t.Errorf("the log has %v", eventTypes(e))
	}
}
