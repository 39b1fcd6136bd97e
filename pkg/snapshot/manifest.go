package snapshot

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"imago/pkg/resource"
)

// Format is the version of the format that this package writes and reads.
const Format = 1

// EncodeManifest writes a manifest that Check accepts, as JSON.
func EncodeManifest(m Manifest) ([]byte, error) {
	if err := m.Check(); err != nil {
		return nil, err
	}
	text, err := json.Marshal(m)
	if err != nil {
		return nil, fmt.Errorf("manifest: %w", err)
	}
	return text, nil
}

// DecodeManifest reads a manifest and checks it. Fields that it does not know are
// passed over: what a reader must know comes with a higher format.
func DecodeManifest(text []byte) (Manifest, error) {
	var m Manifest
	if err := json.Unmarshal(text, &m); err != nil {
		return Manifest{}, fmt.Errorf("manifest: not as this version writes it")
	}
	return m, m.Check()
}

// Check reports what is wrong with a manifest in itself: of each type, segments
// and status must tell the same.
func (m Manifest) Check() error {
	if m.Format != Format {
		return fmt.Errorf("manifest: format %d; this version reads %d", m.Format, Format)
	}
	if m.ID == "" || m.Account == "" || m.Connection == "" || m.Started.IsZero() {
		return fmt.Errorf("manifest: id, account, connection and start are needed")
	}
	held, err := m.held()
	if err != nil {
		return err
	}
	seen := map[resource.Type]bool{}
	for _, t := range m.Types {
		if seen[t.Type] {
			return fmt.Errorf("manifest: type %s stands twice", t.Type)
		}
		seen[t.Type] = true
		if err := t.check(held[t.Type]); err != nil {
			return err
		}
	}
	for t := range held {
		if !seen[t] {
			return fmt.Errorf("manifest: segments of type %s, which is not listed", t)
		}
	}
	return nil
}

// content is what the segments of a type hold together.
type content struct {
	objects int64
	digest  Digest
}

// held adds up the segments of each type.
func (m Manifest) held() (map[resource.Type]content, error) {
	held := map[resource.Type]content{}
	names := map[string]bool{}
	for _, s := range m.Segments {
		if err := s.check(); err != nil {
			return nil, err
		}
		if names[s.Name] {
			return nil, fmt.Errorf("manifest: segment %s stands twice", s.Name)
		}
		names[s.Name] = true
		digest, err := ParseDigest(s.Digest)
		if err != nil {
			return nil, fmt.Errorf("manifest: segment %s: %w", s.Name, err)
		}
		h := held[s.Type]
		h.objects += s.Objects
		h.digest.Add(digest)
		held[s.Type] = h
	}
	return held, nil
}

func (s Segment) check() error {
	switch {
	case !segmentName.MatchString(s.Name):
		return fmt.Errorf("manifest: %q is not a segment's name", s.Name)
	case s.Type == "" || s.First.Type != s.Type || s.Last.Type != s.Type || s.First.Compare(s.Last) > 0:
		return fmt.Errorf("manifest: segment %s has a wrong range", s.Name)
	case s.Objects < 1 || s.Bytes < 1 || s.Plain < 1:
		return fmt.Errorf("manifest: segment %s has a wrong size", s.Name)
	case s.Objects == 1 && s.First != s.Last:
		return fmt.Errorf("manifest: segment %s has a wrong count", s.Name)
	}
	if sum, err := hex.DecodeString(s.SHA256); err != nil || len(sum) != 32 || strings.ToLower(s.SHA256) != s.SHA256 {
		return fmt.Errorf("manifest: segment %s has a wrong SHA-256", s.Name)
	}
	return nil
}

func (s TypeStatus) check(held content) error {
	digest, err := ParseDigest(s.Digest)
	if err != nil {
		return fmt.Errorf("manifest: type %s: %w", s.Type, err)
	}
	if s.Type == "" || s.Objects != held.objects || digest != held.digest {
		return fmt.Errorf("manifest: type %q and its segments do not tell the same", s.Type)
	}
	for _, g := range s.Gaps {
		if g.Type != s.Type || !slices.Contains([]Reason{Forbidden, NotLicensed, Truncated, Failed}, g.Reason) {
			return fmt.Errorf("manifest: type %s has a wrong gap", s.Type)
		}
	}
	return nil
}

// Settle fills in what the segments say of each type: counts and digests. Types
// that have segments and no status yet get one.
func (m *Manifest) Settle() error {
	held, err := m.held()
	if err != nil {
		return err
	}
	m.Types = slices.Clone(m.Types)
	for i, t := range m.Types {
		m.Types[i].Objects, m.Types[i].Digest = held[t.Type].objects, held[t.Type].digest.String()
		delete(held, t.Type)
	}
	var missing []TypeStatus
	for t, h := range held {
		missing = append(missing, TypeStatus{Type: t, Objects: h.objects, Digest: h.digest.String()})
	}
	slices.SortFunc(missing, func(a, b TypeStatus) int { return strings.Compare(string(a.Type), string(b.Type)) })
	m.Types = append(m.Types, missing...)
	return nil
}

// Of lists the segments of a type.
func (m Manifest) Of(t resource.Type) []Segment {
	var out []Segment
	for _, s := range m.Segments {
		if s.Type == t {
			out = append(out, s)
		}
	}
	return out
}

// Bytes is what the sealed segments take in the store.
func (m Manifest) Bytes() (n int64) {
	for _, s := range m.Segments {
		n += s.Bytes
	}
	return n
}
