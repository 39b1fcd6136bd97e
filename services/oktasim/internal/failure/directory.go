package failure

import (
	"fmt"
	"net/http"
)

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
	return plain(http.StatusForbidden, "E0000079", "This operation is not allowed in the current authentication state.")
}

// WrongRoleType says that a role of this type cannot have such a target.
func WrongRoleType() *Failure {
	return plain(http.StatusBadRequest, "E0000091", "The provided role type was not the same as required role type.")
}

// NotOnUser says that a user's credentials cannot be treated so: what is E0000034 for
// Forgot password, E0000035 for Change password, E0000036 for Change recovery question.
func NotOnUser(code, what string) *Failure {
	return plain(http.StatusForbidden, code, what+" not allowed on specified user.")
}

// ExpireWithoutPassword and ExpireInactive refuse to make people who must change a password
// that they do not have, or cannot use.
func ExpireWithoutPassword() *Failure {
	return plain(http.StatusBadRequest, "E0000124", "Could not create user. To create a user and expire their password immediately, a password must be specified")
}

// ExpireInactive stands with ExpireWithoutPassword.
func ExpireInactive() *Failure {
	return plain(http.StatusBadRequest, "E0000125", `Could not create user. To create a user and expire their password immediately, "activate" must be true`)
}

// WrongDeviceStatus says that the device's status does not allow the operation.
func WrongDeviceStatus() *Failure {
	return plain(http.StatusForbidden, "E0000152", "Illegal device status, cannot perform action.")
}

// LinkedObjectTaken refuses the definition of a linked object by names that are in use;
// sides are primary and associated.
func LinkedObjectTaken(sides ...string) *Failure {
	var causes []string
	for _, side := range sides {
		causes = append(causes, "Linked object identifier for "+side+" is already in use.")
	}
	return plain(http.StatusConflict, "E0000127", "Invalid linked objection definition. Linked object identifier is already in use.", causes...)
}

// BadLink says that a user cannot be linked so.
func BadLink(relation string) *Failure {
	return plain(http.StatusInternalServerError, "E0000261", fmt.Sprintf("The value entered for linked object %s is invalid for this user.", relation))
}

// UserTypeStays refuses to delete a user type.
func UserTypeStays() *Failure {
	return plain(http.StatusForbidden, "E0000142", "This User Type cannot be deleted.")
}

// RealmStays refuses to delete a realm.
func RealmStays(why string) *Failure {
	return plain(http.StatusBadRequest, "E0000178", "This realm cannot be deleted. "+why)
}

// RoleOfRuledGroup and RoleOfBuiltIn refuse roles to groups that rules fill, and to Okta's own.
func RoleOfRuledGroup(name string) *Failure {
	return plain(http.StatusBadRequest, "E0000192", "Roles cannot be granted to groups with group membership rules. "+name)
}

// RoleOfBuiltIn stands with RoleOfRuledGroup.
func RoleOfBuiltIn(name string) *Failure {
	return plain(http.StatusBadRequest, "E0000211", "Roles cannot be granted to built-in groups: "+name)
}
