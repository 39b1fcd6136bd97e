package org

import (
	"regexp"

	"imago/services/oktasim/internal/doc"
	"imago/services/oktasim/internal/failure"
)

// yubikeyKinds are the YubiKeys of which the org knows the secrets, so that people can
// enroll them (documented).
func yubikeyKinds() []Kind {
	return []Kind{{
		Name: "yubikey_tokens", Path: "/api/v1/org/factors/yubikey_token/tokens/{tokenId}", Prefix: "ykk", Class: "YubikeyOtpToken",
		Scope: "okta.factors", Area: AreaPolicies,
		Verbs:  Verbs{List: true, Get: true, Create: 200},
		Page:   Page{Default: 20, Max: 200, Filter: []string{"profile.email", "profile.serial", "activated", "user.id", "created", "status", "lastVerified"}},
		Stamps: dated, Natural: []string{"profile.serial"},
		Fields: []Field{
			{Path: "serialNumber", Required: true, Mode: WriteOnly, Unique: InOrg, Example: "7886%d"},
			{Path: "publicId", Required: true, Mode: WriteOnly, Example: "ccccccijgibu"},
			{Path: "privateId", Required: true, Mode: WriteOnly, Example: "b74be6169486"},
			{Path: "aesKey", Required: true, Mode: WriteOnly, Example: "1fcc6d8ce39bf1604e0b17f3e0a11067"},
			{Path: "status", Mode: ReadOnly, Default: "UNASSIGNED"},
			{Path: "lastVerified", Mode: ReadOnly},
			{Path: "profile.serial", Mode: ReadOnly, Default: func(c *Change) any { return c.Body["serialNumber"] }},
		},
		Links: []Link{self("GET")},
		Check: checkYubikey,
	}}
}

var hexKey = regexp.MustCompile(`^[0-9a-fA-F]{32}$`)

func checkYubikey(c *Change) error {
	if !hexKey.MatchString(doc.String(c.Body, "aesKey")) {
		return failure.Invalid("aesKey", "aesKey: It must be 32 hexadecimal digits")
	}
	return nil
}
