package failure

import "net/http"

// NotLocked answers the unlocking of a user who is not locked out.
func NotLocked() *Failure {
	return plain(http.StatusForbidden, "E0000032", "Unlock is not allowed for this user.")
}

// WrongCredentials says that a password, or the answer to a question, is not the right one.
func WrongCredentials(why string) *Failure {
	return plain(http.StatusForbidden, "E0000014", "Update of credentials failed", why)
}

// WrongFactorStatus says that a factor has been activated, or cannot be.
func WrongFactorStatus() *Failure {
	return plain(http.StatusForbidden, "E0000044", "This operation is not allowed in the current authentication state.")
}

// WrongRoleType says that a role of this type cannot have such a target.
func WrongRoleType() *Failure {
	return plain(http.StatusBadRequest, "E0000091", "The provided role type was not the same as required role type.")
}
