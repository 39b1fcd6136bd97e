package failure

import "net/http"

// BrandExists refuses a second brand of the same name.
func BrandExists() *Failure {
	return plain(http.StatusConflict, "E0000202", "Brand name already exists.")
}

// DefaultBrand refuses the deletion of the brand that every org has.
func DefaultBrand() *Failure {
	return plain(http.StatusConflict, "E0000200", "A default brand cannot be deleted.")
}

// BrandHasDomain refuses the deletion of a brand that has a domain.
func BrandHasDomain() *Failure {
	return plain(http.StatusConflict, "E0000201", "A brand associated with a custom domain or email doamin cannot be deleted.")
}

// LanguageTaken refuses a second customization of a mail in one language.
func LanguageTaken() *Failure {
	return plain(http.StatusConflict, "E0000183", "An email template customization for that language already exists.")
}

// DefaultCustomization refuses the deletion of the customization that stands for all languages.
func DefaultCustomization() *Failure {
	return plain(http.StatusConflict, "E0000184", "A default email template customization can't be deleted.")
}

// DefaultCustomizationStays refuses to leave a mail without a customization for all languages.
func DefaultCustomizationStays() *Failure {
	return plain(http.StatusConflict, "E0000185", "The isDefault parameter of the default email template customization can't be set to false.")
}

// NoDomain says that no domain has the id.
func NoDomain() *Failure {
	return plain(http.StatusNotFound, "E0000163", "Domain ID not found.", "Could not find custom domain with the given id.")
}

// NoEmailDomain says that no domain that sends mail has the id.
func NoEmailDomain() *Failure {
	return plain(http.StatusNotFound, "E0000198", "Email domain not found.")
}

// EmailDomainTaken refuses a second email domain of one name.
func EmailDomainTaken() *Failure {
	return plain(http.StatusConflict, "E0000197", "Unique email domain name required.")
}

// EmailDomainNotVerifiable says that there is nothing more to verify.
func EmailDomainNotVerifiable() *Failure {
	return plain(http.StatusBadRequest, "E0000217", "Invalid status. Cannot validate email domain in current status.")
}

// OneMailServer refuses a second mail server that is switched on.
func OneMailServer() *Failure {
	return plain(http.StatusBadRequest, "E0000222", "You can enable only one SMTP server at a time. Another SMTP server is already enabled.")
}

// DomainTaken refuses a domain that the org has already.
func DomainTaken() *Failure {
	return plain(http.StatusForbidden, "E0000161", "Unique domain name required.")
}
