package failure

import "net/http"

// BadRequest refuses without a reason (recorded for the password among an org's factors).
func BadRequest() *Failure { return plain(http.StatusBadRequest, "E0000020", "Bad request.") }

// InPolicies refuses to switch off an authenticator that policies use; causes name them.
func InPolicies(causes ...string) *Failure {
	const what = "Cannot modify/disable this authenticator because it is enabled in one or more policies. To continue, disable the authenticator in these policies."
	return plain(http.StatusForbidden, "E0000148", what, causes...)
}

// FeatureConflict refuses to switch a feature that others stand in the way of.
func FeatureConflict() *Failure {
	return plain(http.StatusBadRequest, "E0000141", "Feature cannot be enabled or disabled due to dependencies/dependents conflicts.")
}
