package org

import (
	"crypto/sha256"
	"encoding/hex"
)

// staticHost is Okta's content delivery network for orgs of one cell.
const staticHost = "https://ok1static.oktacdn.com"

// image is the address of one of Okta's own logos. Files are named after what they hold
// (recorded); the simulator names them after their name.
func image(name string) string {
	sum := sha256.Sum256([]byte(name))
	return staticHost + "/assets/img/logos/" + name + "." + hex.EncodeToString(sum[:16]) + ".png"
}
