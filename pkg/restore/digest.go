package restore

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"

	"imago/pkg/problem"
	"imago/pkg/resource"
)

// Encode is the plan in canonical JSON: what is stored, shown and approved.
func (p Plan) Encode() ([]byte, error) {
	text, err := json.Marshal(p)
	if err == nil {
		text, err = resource.Canonical(nil, text)
	}
	if err != nil {
		return nil, fmt.Errorf("encode the plan: %w", err)
	}
	return text, nil
}

// Digest is the SHA-256 of the encoded plan, as "sha256:…" in hexadecimal digits.
func (p Plan) Digest() (string, error) {
	text, err := p.Encode()
	if err != nil {
		return "", err
	}
	return digest(text), nil
}

func digest(text []byte) string {
	sum := sha256.Sum256(text)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// Decode reads an encoded plan, and refuses one that is not what was approved.
func Decode(text []byte, approved string) (Plan, error) {
	if got := digest(text); got != approved {
		return Plan{}, problem.New(problem.Stale, "the plan has the digest %s, and %s was approved", got, approved).WithHint("look at the plan again")
	}
	var p Plan
	if err := json.Unmarshal(text, &p); err != nil {
		return Plan{}, fmt.Errorf("read the plan: %w", err)
	}
	if p.Format != planFormat {
		return Plan{}, fmt.Errorf("the plan has format %d, this program knows %d", p.Format, planFormat)
	}
	return p, nil
}
