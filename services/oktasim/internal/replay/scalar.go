package replay

import (
	"regexp"
	"strings"
	"time"
)

// idLength is Okta's: a prefix of three characters, then 17 letters and digits.
const idLength = 20

// isID asks for a digit, or for more capitals than words have.
func isID(s string) bool {
	if len(s) != idLength {
		return false
	}
	var lower, upper, digits int
	for _, r := range s {
		switch {
		case r >= 'a' && r <= 'z':
			lower++
		case r >= '0' && r <= '9':
			digits++
		case r >= 'A' && r <= 'Z':
			upper++
		default:
			return false
		}
	}
	const enough = 4
	return lower > 0 && (digits > 0 || upper >= enough)
}

var (
	uuidForm = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$`)
	// spForm is the name of an org towards a SAML provider.
	spForm  = regexp.MustCompile(`^sp[a-z]{18}$`)
	hexForm = regexp.MustCompile(`^[0-9a-f]+$`)
	// redacted values carry a fingerprint, so that equal ones stay equal.
	redacted = regexp.MustCompile(`^REDACTED-[a-z_]+-[0-9a-f]{12}$|^<REDACTED>$`)
)

// hexLengths are the lengths of identifiers and digests in hexadecimal.
var hexLengths = map[int]bool{24: true, 32: true, 40: true, 64: true}

// isRandom says whether the whole of s has the form of a value that a server makes by
// chance: an id, a UUID, a digest.
func isRandom(s string) bool {
	return isID(s) || spForm.MatchString(s) || len(s) == 36 && uuidForm.MatchString(s) || hexLengths[len(s)] && hexForm.MatchString(s) && strings.ContainsAny(s, "0123456789")
}

// sameForm says whether ours could stand where Okta's random value stands: an id of
// the same kind, or a value of the same length and alphabet.
func sameForm(theirs, ours string) bool {
	if len(theirs) != len(ours) {
		return false
	}
	if isID(theirs) {
		return isID(ours) && theirs[:3] == ours[:3]
	}
	return uuidForm.MatchString(theirs) == uuidForm.MatchString(ours) && hexForm.MatchString(theirs) == hexForm.MatchString(ours)
}

// stemForm is the name that Okta makes for an app of the org's own: subdomain, label and
// how many of that name the org has had.
var stemForm = regexp.MustCompile(`^[a-z0-9-]+_([a-z0-9-]+)_[0-9]+$`)

// sameStem says whether two such names are of the same label.
func sameStem(theirs, ours string) bool {
	a, b := stemForm.FindStringSubmatch(theirs), stemForm.FindStringSubmatch(ours)
	return a != nil && b != nil && a[1] == b[1]
}

// twinForm is the name that Okta makes for another thing of the same name: seven letters
// and digits behind it.
var twinForm = regexp.MustCompile(`^(.*[a-z])_[0-9a-giou]{7}$`)

// twins says whether two names are one, with or without what Okta puts behind it where
// the org has had that name before.
func twins(theirs, ours string) bool {
	a, b := twinForm.ReplaceAllString(theirs, "$1"), twinForm.ReplaceAllString(ours, "$1")
	return a == b && (a != theirs || b != ours)
}

// secretKeys are fields whose values Okta makes by chance: keys, secrets and what is
// computed from them.
var secretKeys = map[string]bool{
	"client_secret": true, "clientSecret": true, "secret_hash": true, "kid": true, "keyId": true, "n": true, "x": true, "y": true,
	"x5c": true, "x5t": true, "x5t#S256": true, "verificationValue": true, "access_token": true,
	"activationToken": true, "recoveryToken": true, "activationUrl": true, "nonce": true, "etag": true, "csr": true,
}

// loose are secrets whose length says nothing.
var loose = map[string]bool{"x5c": true, "csr": true, "activationUrl": true, "verificationValue": true, "kid": true, "keyId": true}

// secretForm says whether ours could stand where Okta's secret stands.
func secretForm(key, theirs, ours string) bool {
	if ours == "" {
		return false
	}
	if redacted.MatchString(theirs) || loose[key] {
		return true
	}
	return len(theirs) == len(ours)
}

// The five formats of Okta's timestamps, and two of governance.
var layouts = []string{
	"2006-01-02T15:04:05.000Z", "2006-01-02T15:04:05Z", "2006-01-02 15:04:05.0", "Mon Jan 02 15:04:05 MST 2006",
	"2006-01-02T15:04:05.000000Z", "2006-01-02T15:04:05-07:00", "2006-01-02T15:04:05.000-0700", "2006-01-02T15:04:05.000-07:00",
}

// moment reads a timestamp and the number of its layout.
func moment(s string) (t time.Time, layout int, ok bool) {
	if len(s) < 19 || len(s) > 30 || !strings.Contains(s, ":") {
		return t, 0, false
	}
	for i, l := range layouts {
		if at, err := time.Parse(l, s); err == nil {
			return at, i, true
		}
	}
	return t, 0, false
}

// slack is how far our stamps may lie from the recorded ones: the clock follows the
// Date header of the answers, and real orgs took a moment.
const slack = 5 * time.Second

func near(a, b time.Time) bool { return a.Sub(b).Abs() <= slack }

// foldPath replaces what looks like an id in a path.
func foldPath(path string) string {
	parts := strings.Split(path, "/")
	for i, p := range parts {
		if isRandom(p) {
			parts[i] = "{id}"
		}
	}
	return strings.Join(parts, "/")
}
