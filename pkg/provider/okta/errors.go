package okta

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"imago/pkg/problem"
	"imago/pkg/provider"
	"imago/pkg/resource"
	"imago/pkg/snapshot"
)

// refusal is an answer of the org other than 2xx.
//
// https://developer.okta.com/docs/reference/error-codes/
type refusal struct {
	status  int
	code    string // Okta's: "E0000007"
	request string // X-Okta-Request-Id
	scope   string // that the token lacks, when the answer names it
	lacking bool   // the token lacks a scope, named or not
	token   bool   // the token itself is not accepted

	summary string   // Okta's words: may hold directory data, never part of Error
	causes  []string // the same
}

// Error names the status and Okta's code, nothing of the directory.
func (r *refusal) Error() string {
	s := fmt.Sprintf("okta answered %d", r.status)
	if r.code != "" {
		s += " " + r.code
	}
	if r.request != "" {
		s += " (request " + r.request + ")"
	}
	return s
}

// Detail is what Okta said, for the person who may see the org's data: it can
// hold names from the directory, so it is shown or sealed, and never logged.
func (r *refusal) Detail() string {
	return strings.Join(slices.DeleteFunc(append([]string{r.summary}, r.causes...), func(s string) bool { return s == "" }), "; ")
}

var scopeName = regexp.MustCompile(`okta\.[A-Za-z]+(\.[A-Za-z]+)*`)

// refused reads an answer that is not 2xx. A body that is not Okta's JSON leaves
// the status to speak.
func refused(status int, h http.Header, body []byte) *refusal {
	r := &refusal{status: status, request: h.Get("X-Okta-Request-Id")}
	var said struct {
		Code    string `json:"errorCode"`
		Summary string `json:"errorSummary"`
		Causes  []struct {
			Summary string `json:"errorSummary"`
		} `json:"errorCauses"`
	}
	if err := json.Unmarshal(body, &said); err == nil {
		r.code, r.summary = said.Code, said.Summary
		for _, c := range said.Causes {
			r.causes = append(r.causes, c.Summary)
		}
	}
	if asked := h.Get("WWW-Authenticate"); strings.Contains(asked, "insufficient_scope") {
		r.lacking, r.scope = true, strings.Join(scopeName.FindAllString(asked, -1), " ")
	}
	r.token = status == http.StatusUnauthorized && refusesToken(r.code, h)
	return r
}

// refusesToken reports whether a 401 is about the token, in Okta's words or OAuth's
// (RFC 6750, 3.1). One that is about a feature is no reason for a new token.
func refusesToken(code string, h http.Header) bool {
	return code == badToken || strings.Contains(h.Get("WWW-Authenticate"), "invalid_token")
}

// says reports whether Okta's words hold one of the texts, in any case.
func (r *refusal) says(texts ...string) bool {
	all := strings.ToLower(r.Detail())
	return slices.ContainsFunc(texts, func(t string) bool { return strings.Contains(all, t) })
}

// Okta's codes that decide something.
const (
	badToken     = "E0000011"
	noFeature    = "E0000015"
	userInMotion = "E0000112"
	inReordering = "E0000239"
)

// busy answers were refused before anything was done, and pass by themselves: the
// priorities are being reconciled, or the user is between two statuses.
func busy(code string) bool { return code == inReordering || code == userInMotion }

// unlicensed: E0000015 is Okta's answer for a feature that the org does not have,
// under 401 or 403; a type of policy that it does not have is a 400.
func (r *refusal) unlicensed() bool {
	return r.code == noFeature || r.status == http.StatusNotImplemented || r.status == http.StatusMethodNotAllowed ||
		r.status == http.StatusBadRequest && r.says("not available", "not enabled", "not supported", "invalid policy type", "policy type")
}

// lone: Okta refuses this one call, for a reason of its own. It would do so tomorrow, and
// says nothing about what else there is.
func (r *refusal) lone() bool {
	return r.status >= 400 && r.status < 500 && r.status != http.StatusNotFound && !r.token && !busy(r.code)
}

// problem is the refusal for a person who asked to do something with a type.
func (r *refusal) problem(doing string, scopes []string) *problem.Problem {
	switch {
	case busy(r.code):
		return problem.New(problem.Unavailable, "%s: okta is busy with an earlier change (%s)", doing, r.code).WithHint("try again later").Because(r)
	case r.unlicensed():
		return problem.New(problem.Denied, "%s: the org does not have this feature (%s)", doing, r.code).Because(r)
	case r.status == http.StatusUnauthorized:
		return problem.New(problem.Denied, "%s: okta does not accept the service app's token", doing).
			WithHint("check in the Admin Console that the app is active").Because(r)
	case r.status == http.StatusForbidden:
		return problem.New(problem.Denied, "%s: %s", doing, r.missing(scopes)).WithHint("grant it to the service app in the Admin Console").Because(r)
	case r.status == http.StatusNotFound:
		return problem.New(problem.NotFound, "%s: okta has no such object", doing).Because(r)
	case r.status == http.StatusConflict || r.status == http.StatusBadRequest && r.says("already exists", "must be unique", "already being used"):
		return problem.New(problem.Conflict, "%s: another object holds the name or the place (%s)", doing, r.code).Because(r)
	case r.status == http.StatusPreconditionFailed:
		return problem.New(problem.Stale, "%s: the object has moved", doing).Because(r)
	case r.status >= 500:
		return problem.New(problem.Unavailable, "%s: okta answers %d", doing, r.status).WithHint("try again later").Because(r)
	}
	return problem.New(problem.Invalid, "%s: okta refuses it (%s)", doing, cmp.Or(r.code, fmt.Sprint(r.status))).Because(r)
}

// missing names what the credential lacks: a scope of the token, or an admin role
// that lets the app use the scope.
func (r *refusal) missing(scopes []string) string {
	if r.lacking {
		return "the service app lacks the scope " + cmp.Or(r.scope, strings.Join(scopes, ", "))
	}
	return "the service app's admin role does not allow it (scope " + strings.Join(scopes, ", ") + ")"
}

// ofList tells what an error in listing a type means: a gap that reading again
// will not fill is an *Unreadable; anything else stays what it is. A parent that
// is not there any more is a problem of kind NotFound.
func ofList(e *entry, parent resource.Key, err error) error {
	r, ok := errors.AsType[*refusal](err)
	if !ok {
		return err
	}
	gap := snapshot.Gap{Type: e.Type, Parent: parent.ID}
	switch {
	case r.unlicensed() || r.status == http.StatusNotFound && parent.ID == "":
		gap.Reason, gap.Detail = snapshot.NotLicensed, e.Title+": the org does not have this feature"
		if r.status != http.StatusBadRequest || r.code == noFeature {
			gap.Parent = "" // else it may be this parent alone that cannot have any
		}
	case r.status == http.StatusForbidden:
		gap.Reason, gap.Detail = snapshot.Forbidden, e.Title+": "+r.missing(e.ReadScopes)
		if r.lacking {
			gap.Parent = ""
		}
	case r.lone():
		gap.Reason, gap.Detail = snapshot.Failed, fmt.Sprintf("%s: okta refuses the list (%s)", e.Title, cmp.Or(r.code, fmt.Sprint(r.status)))
	default:
		return r.problem("list "+string(e.Type), e.ReadScopes)
	}
	return &provider.Unreadable{Gap: gap, Err: r}
}

// ofCall tells what an error in reading or writing one object means.
func ofCall(doing string, scopes []string, err error) error {
	if r, ok := errors.AsType[*refusal](err); ok {
		return r.problem(doing, scopes)
	}
	return err
}
