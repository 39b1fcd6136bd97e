// Package valid checks what a request says, field by field. Every refusal names
// the field as the person wrote it, and the way out.
package valid

import (
	"net/mail"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/google/uuid"

	"imago/pkg/account"
	"imago/pkg/problem"
	"imago/pkg/resource"
)

// ID checks that a value is a UUID in its usual form and answers it in lower case.
func ID(field, value string) (string, error) {
	if value == "" {
		return "", missing(field)
	}
	id, err := uuid.Parse(value)
	if err != nil || len(value) != 36 {
		return "", problem.InField(field, "%q is not an ID", clip(value)).
			WithHint("IDs look like 019a2b3c-4d5e-7f60-8a9b-0c1d2e3f4a5b")
	}
	return id.String(), nil
}

// Latest stands where a snapshot's ID may, for the newest one of a connection.
const Latest = "latest"

// Purpose checks the name of a credential's purpose.
func Purpose(field, value string) (account.Purpose, error) {
	switch p := account.Purpose(value); p {
	case account.Read, account.Write:
		return p, nil
	case "":
		return "", missing(field)
	}
	return "", problem.InField(field, "%q is not a purpose", clip(value)).WithHint("it is \"read\" or \"write\"")
}

// OneOf checks that a value is one of a few words.
func OneOf(field, value string, known []string) (string, error) {
	if value == "" {
		return "", missing(field)
	}
	if !slices.Contains(known, value) {
		return "", problem.InField(field, "%q is not known", clip(value)).WithHint("it is one of: %s", strings.Join(known, ", "))
	}
	return value, nil
}

// Share checks how much of an org's rate limits may be used; absent means the default.
func Share(field string, value, absent float64) (float64, error) {
	if value == 0 {
		return absent, nil
	}
	if !(value > 0 && value <= 1) { // so written that NaN fails
		return 0, problem.InField(field, "%v is not over 0 and up to 1", value).WithHint("leave it out for %v", absent)
	}
	return value, nil
}

// Seconds checks a length of time; absent means the default.
func Seconds(field string, value, least, most, absent int32) (int32, error) {
	if value == 0 {
		return absent, nil
	}
	if value < least || value > most {
		return 0, problem.InField(field, "%d is not from %d to %d seconds", value, least, most).WithHint("leave it out for %d", absent)
	}
	return value, nil
}

// Text checks a short line for people: not empty, not longer than most characters,
// nothing that a terminal or a mail would obey.
func Text(field, value string, most int) (string, error) {
	value = strings.TrimSpace(value)
	switch {
	case value == "":
		return "", missing(field)
	case !utf8.ValidString(value):
		return "", problem.InField(field, "it is not UTF-8").WithHint("send the text as UTF-8")
	case utf8.RuneCountInString(value) > most:
		return "", problem.InField(field, "it is longer than %d characters", most).WithHint("shorten it")
	case strings.ContainsFunc(value, unicode.IsControl):
		return "", problem.InField(field, "it holds control characters").WithHint("write one line of text")
	}
	return value, nil
}

// Email checks an address and answers it in lower case, without a name.
func Email(field, value string) (string, error) {
	value = strings.TrimSpace(value)
	if value == "" {
		return "", missing(field)
	}
	a, err := mail.ParseAddress(value)
	if err != nil || a.Address != value || len(value) > 254 || strings.ContainsFunc(value, unicode.IsControl) || !strings.Contains(domain(value), ".") && domain(value) != "localhost" {
		return "", problem.InField(field, "%q is not a mail address", clip(value)).WithHint("write it as name@example.com")
	}
	return strings.ToLower(value), nil
}

func domain(address string) string { return address[strings.LastIndexByte(address, '@')+1:] }

var (
	code     = regexp.MustCompile(`^[0-9]{6}$`)
	clientID = regexp.MustCompile(`^[A-Za-z0-9_.-]{1,100}$`)
	digest   = regexp.MustCompile(`^sha256:[0-9a-f]{64}$`)
)

// Code checks a sign-in code: six digits, blanks allowed as people copy them.
func Code(field, value string) (string, error) {
	value = strings.NewReplacer(" ", "", "-", "").Replace(value)
	if !code.MatchString(value) {
		return "", problem.InField(field, "it is not a code").WithHint("type the six digits of the mail")
	}
	return value, nil
}

// ClientID checks the ID that an org gave to a service app.
func ClientID(field, value string) (string, error) {
	value = strings.TrimSpace(value)
	if value == "" {
		return "", missing(field)
	}
	if !clientID.MatchString(value) {
		return "", problem.InField(field, "%q is not a client ID", clip(value)).WithHint("copy it from the service app's page; Okta's begin with 0oa")
	}
	return value, nil
}

// Digest checks a plan's digest.
func Digest(field, value string) (string, error) {
	if value == "" {
		return "", missing(field)
	}
	if !digest.MatchString(value) {
		return "", problem.InField(field, "%q is not a plan's digest", clip(value)).WithHint("copy it from the plan: sha256: and 64 hex digits")
	}
	return value, nil
}

// Key checks a resource's key against the types of a catalog.
func Key(field, value string, catalog resource.Catalog) (resource.Key, error) {
	if value == "" {
		return resource.Key{}, missing(field)
	}
	k, ok := resource.ParseKey(value)
	if !ok || len(value) > 1000 {
		return resource.Key{}, problem.InField(field, "%q is not a key", clip(value)).WithHint("write type/id or type/parent/id, such as group/00g1")
	}
	if _, err := Type(field, string(k.Type), catalog); err != nil {
		return resource.Key{}, err
	}
	return k, nil
}

// Type checks the name of a resource type.
func Type(field, value string, catalog resource.Catalog) (resource.Type, error) {
	if value == "" {
		return "", missing(field)
	}
	if _, ok := catalog.Info(resource.Type(value)); !ok {
		return "", problem.InField(field, "there is no type %q", clip(value)).WithHint("the snapshot lists its types")
	}
	return resource.Type(value), nil
}

func missing(field string) error {
	return problem.InField(field, "it is missing").WithHint("say it")
}

// clip keeps an answer from repeating a long or binary input.
func clip(s string) string {
	s = strings.ToValidUTF8(s, "?")
	if utf8.RuneCountInString(s) <= 60 {
		return s
	}
	return string([]rune(s)[:60]) + "…"
}
