// Package failure holds the errors that Okta answers with, in Okta's own codes and words.
// Codes, texts and statuses are those of Okta's published error list; the words after
// the colon are those of recorded answers.
package failure

import (
	"fmt"
	"net/http"
)

// Failure is an error that a client is meant to see.
type Failure struct {
	Status  int
	Code    string
	Summary string
	Causes  []string
}

func (f *Failure) Error() string { return f.Code + ": " + f.Summary }

// Invalid says that the request body breaks a rule; subject is what Okta names first.
func Invalid(subject string, causes ...string) *Failure {
	return &Failure{Status: http.StatusBadRequest, Code: "E0000001", Summary: "Api validation failed: " + subject, Causes: causes}
}

// Taken says that another object of the org already has this value.
func Taken(field string) *Failure {
	return Invalid(field, field+": An object with this field already exists in the current organization")
}

// Missing says that a required field has no value.
func Missing(field string) *Failure {
	return Invalid(field, field+": The field cannot be left blank")
}

// NotFound says that no object of the kind has the id. Kind is Okta's own class name
// (UserGroup, AppInstance, RuleSetEntity).
func NotFound(id, kind string) *Failure {
	return &Failure{Status: http.StatusNotFound, Code: "E0000007", Summary: fmt.Sprintf("Not found: Resource not found: %s (%s)", id, kind)}
}

func plain(status int, code, summary string, causes ...string) *Failure {
	return &Failure{Status: status, Code: code, Summary: summary, Causes: causes}
}

// Malformed says that the body is not JSON.
func Malformed() *Failure {
	return plain(http.StatusBadRequest, "E0000003", "The request body was not well-formed.")
}

// Illegal says that an argument is not acceptable.
func Illegal(why string) *Failure {
	return plain(http.StatusBadRequest, "E0000002", "The request was not valid: "+why)
}

// NoSession answers a request without credentials.
func NoSession() *Failure {
	return plain(http.StatusForbidden, "E0000005", "Invalid session")
}

// Forbidden says that scope or admin role do not allow the operation.
func Forbidden(causes ...string) *Failure {
	return plain(http.StatusForbidden, "E0000006", "You do not have permission to perform the requested action", causes...)
}

// NoPath answers an unknown path.
func NoPath() *Failure {
	return plain(http.StatusNotFound, "E0000008", "The requested path was not found")
}

// Internal is Okta's own failure.
func Internal() *Failure {
	return plain(http.StatusInternalServerError, "E0000009", "Internal Server Error")
}

// BadToken answers an unknown, revoked or expired token.
func BadToken() *Failure {
	return plain(http.StatusUnauthorized, "E0000011", "Invalid token provided")
}

// NotLicensed says that the org lacks the feature.
func NotLicensed() *Failure {
	return plain(http.StatusUnauthorized, "E0000015", "You do not have permission to access the feature you are requesting")
}

// AlreadyActive answers the activation of an active user.
func AlreadyActive() *Failure {
	return plain(http.StatusForbidden, "E0000016", "Activation failed because the user is already active")
}

// WrongMethod answers a known path with a method that it does not have.
func WrongMethod() *Failure {
	return plain(http.StatusMethodNotAllowed, "E0000022", "The endpoint does not support the provided HTTP method")
}

// UnsupportedMedia answers a body of a kind that the operation does not take.
func UnsupportedMedia() *Failure {
	return plain(http.StatusBadRequest, "E0000021", "Bad request.  Accept and/or Content-Type headers likely do not match supported values.")
}

// NotAcceptable answers a client that takes no JSON.
func NotAcceptable() *Failure {
	return plain(http.StatusNotAcceptable, "E0000122", "Accept Header did not contain supported media type 'application/json'")
}

// Changed answers a condition that the object's entity tag does not meet.
func Changed() *Failure {
	return plain(http.StatusPreconditionFailed, "E0000231", "ETag value doesn't match.")
}

// BadSearch answers a filter or search that cannot be understood.
func BadSearch(why string) *Failure {
	return plain(http.StatusBadRequest, "E0000031", "Invalid search criteria.", why)
}

// WrongStatus says that the user's status does not allow the operation.
func WrongStatus() *Failure {
	return plain(http.StatusForbidden, "E0000038", "This operation is not allowed in the user's current status.")
}

// BadPage answers a limit or cursor that cannot be used.
func BadPage(why string) *Failure {
	return plain(http.StatusBadRequest, "E0000054", "Invalid pagination properties.", why)
}

// DeleteAppForbidden answers the deletion of an active app.
func DeleteAppForbidden() *Failure {
	return plain(http.StatusForbidden, "E0000056", "Delete application forbidden.", "The application must be deactivated before deletion.")
}

// Unsupported says that Okta does not offer the operation on this object.
func Unsupported(causes ...string) *Failure {
	return plain(http.StatusNotImplemented, "E0000060", "Unsupported operation.", causes...)
}

// SelfServiceOff answers the wish to let people ask for an app in an org where they cannot.
func SelfServiceOff() *Failure {
	return plain(http.StatusForbidden, "E0000043", "Self service application assignment is not enabled.",
		"Self service application assignment for organization managed apps must be enabled.")
}

// NotYetSupported answers a change of an app's own description that Okta does not make.
func NotYetSupported(why string) *Failure {
	const what = "This operation on app metadata is not yet supported"
	return plain(http.StatusBadRequest, "E0000024", "Bad request. "+what+".", what+": "+why)
}

// RoleTaken says that the assignee has the role already.
func RoleTaken() *Failure {
	return plain(http.StatusConflict, "E0000090", "The role specified is already assigned to the user.")
}

// TooMany says that a rate limit is used up.
func TooMany() *Failure {
	return plain(http.StatusTooManyRequests, "E0000047", "API call exceeded rate limit due to too many requests.")
}

// WithStatus returns an answer of the given status for fault injection, with the
// code Okta uses for it, or E0000009.
func WithStatus(status int) *Failure {
	switch status {
	case http.StatusTooManyRequests:
		return TooMany()
	case http.StatusForbidden:
		return Forbidden()
	case http.StatusUnauthorized:
		return BadToken()
	case http.StatusServiceUnavailable:
		return plain(status, "E0000010", "Service is in read only mode")
	}
	return plain(status, "E0000009", "Internal Server Error")
}
