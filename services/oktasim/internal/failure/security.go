package failure

import "net/http"

// BadRequest refuses without a reason (recorded for the password among an org's factors).
func BadRequest() *Failure { return plain(http.StatusBadRequest, "E0000020", "Bad request.") }

// InPolicies refuses to switch off an authenticator that policies use; causes name them.
func InPolicies(causes ...string) *Failure {
	const what = "Cannot modify/disable this authenticator because it is enabled in one or more policies. To continue, disable the authenticator in these policies."
	return plain(http.StatusForbidden, "E0000148", what, causes...)
}

// OneCaptcha refuses a second CAPTCHA instance.
func OneCaptcha() *Failure {
	return plain(http.StatusForbidden, "E0000166", "CAPTCHA count limit reached. At most one CAPTCHA instance is allowed per Org. Please remove existing CAPTCHA to create a new one.")
}

// CaptchaInUse refuses to delete the CAPTCHA instance that the org uses.
func CaptchaInUse() *Failure {
	return plain(http.StatusForbidden, "E0000168", "CAPTCHA cannot be removed. This CAPTCHA is associated with org-wide CAPTCHA settings, please unassociate it before removing it.")
}

// PushProviderInUse refuses to delete a push provider that an authenticator uses.
func PushProviderInUse() *Failure {
	return plain(http.StatusConflict, "E0000187", "Cannot delete push provider because it is being used by a custom app authenticator.")
}

// FeatureConflict refuses to switch a feature that others stand in the way of.
func FeatureConflict() *Failure {
	return plain(http.StatusBadRequest, "E0000141", "Feature cannot be enabled or disabled due to dependencies/dependents conflicts.")
}

// WrongPasscode answers a code or an answer that does not fit the factor.
func WrongPasscode() *Failure {
	return plain(http.StatusForbidden, "E0000068", "Invalid Passcode/Answer", "Your answer doesn't match our records. Please try again.")
}
