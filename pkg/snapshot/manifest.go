package snapshot

import (
	"cmp"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"imago/pkg/resource"
)

// Format is the version of the format that this package writes and reads.
const Format = 2

// ErrFormat marks what was written in another version of the format: it may be whole.
var ErrFormat = errors.New("in another version")

func otherFormat(what string, format int) error {
	return fmt.Errorf("%s: %w: format %d, this program reads %d", what, ErrFormat, format, Format)
}

// EncodeManifest writes a manifest that Check accepts, as JSON.
func EncodeManifest(m Manifest) ([]byte, error) {
	if err := m.Check(); err != nil {
		return nil, err
	}
	return encode("manifest", m)
}

// DecodeManifest reads a manifest and checks it. Fields that it does not know are
// passed over: what a reader must know comes with a higher format.
func DecodeManifest(text []byte) (m Manifest, err error) {
	if err := decode("manifest", text, &m); err != nil {
		return Manifest{}, err
	}
	return m, m.Check()
}

// EncodeList writes a list that Check accepts, as JSON.
func EncodeList(l List) ([]byte, error) {
	if err := l.Check(); err != nil {
		return nil, err
	}
	return encode("list", l)
}

// DecodeList reads a list and checks it.
func DecodeList(text []byte) (l List, err error) {
	if err := decode("list", text, &l); err != nil {
		return List{}, err
	}
	return l, l.Check()
}

// decode reads JSON, and tells why it does not decode: its format, if that is another one.
// Of a member that stands twice two readers would take another one each: Canonical
// refuses it, and text that is not UTF-8.
func decode(what string, text []byte, into any) error {
	_, err := resource.Canonical(nil, text)
	if err == nil && json.Unmarshal(text, into) == nil {
		return nil
	}
	var of struct {
		Format int `json:"format"`
	}
	if err == nil && json.Unmarshal(text, &of) == nil && of.Format != Format {
		return otherFormat(what, of.Format)
	}
	return fmt.Errorf("%s: not as this version writes it", what)
}

func encode(what string, v any) ([]byte, error) {
	text, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	return text, nil
}

// Resolve makes a manifest whole that was read from a folder: with the types and segments
// of its list, each segment with its folder. l is the zero List where it names none.
func (m Manifest) Resolve(folder string, l List) (Manifest, error) {
	if folder != Folder(m.Started, m.ID) {
		return m, fmt.Errorf("manifest: it is that of %s", Folder(m.Started, m.ID))
	}
	if m.List != nil {
		m.Types = overlaid(l.Types, m.Types)
		m.Names = m.Names.over(l.Names)
		m.Segments = slices.Concat(kept(l.Segments, m.Dropped, cmp.Or(m.List.Folder, folder)), placed(m.Segments, folder))
		m.List, m.Dropped = nil, nil
	} else {
		m.Segments = placed(m.Segments, folder)
	}
	return m, errOr("manifest", layered(m.Segments))
}

func overlaid(old, fresh []TypeStatus) []TypeStatus {
	out := slices.Clone(old)
	for _, s := range fresh {
		if i := slices.IndexFunc(out, func(o TypeStatus) bool { return o.Type == s.Type }); i >= 0 {
			out[i] = s
		} else {
			out = append(out, s)
		}
	}
	return out
}

func kept(segments []Segment, dropped []string, folder string) []Segment {
	return slices.DeleteFunc(placed(segments, folder), func(s Segment) bool { return slices.Contains(dropped, s.Name) })
}

func placed(segments []Segment, folder string) []Segment {
	out := slices.Clone(segments)
	for i := range out {
		out[i].Folder = cmp.Or(out[i].Folder, folder)
	}
	return out
}

// layered reports what keeps segments from making a state: in one layer of a family no
// key stands twice.
func layered(segments []Segment) error {
	sorted := slices.Clone(segments)
	slices.SortFunc(sorted, func(a, b Segment) int {
		return cmp.Or(cmp.Compare(a.Family, b.Family), cmp.Compare(a.Layer, b.Layer), a.First.Compare(b.First))
	})
	names := map[string]bool{}
	for i, s := range sorted {
		if names[s.Name] {
			return fmt.Errorf("segment %s stands twice", s.Name)
		}
		names[s.Name] = true
		if i == 0 {
			continue
		}
		if before := sorted[i-1]; before.Family == s.Family && before.Layer == s.Layer && before.Last.Compare(s.First) >= 0 {
			return fmt.Errorf("segments %s and %s of one layer overlap", before.Name, s.Name)
		}
	}
	return nil
}

// Check reports what is wrong with a manifest in itself.
func (m Manifest) Check() error {
	switch {
	case m.Format != Format:
		return otherFormat("manifest", m.Format)
	case m.ID == "" || m.Account == "" || m.Connection == "" || m.Started.IsZero():
		return fmt.Errorf("manifest: id, account, connection and start are needed")
	case m.Kind != Full && m.Kind != Incremental || (m.Kind == Incremental) != (m.Parent != ""):
		return fmt.Errorf("manifest: kind %q and parent %q", m.Kind, m.Parent)
	case m.Parent != "" && !folderName.MatchString(m.Parent):
		return fmt.Errorf("manifest: %q is not a snapshot's folder", m.Parent)
	}
	if m.List != nil {
		if err := m.List.check(listName.MatchString); err != nil {
			return fmt.Errorf("manifest: list: %w", err)
		}
	}
	return errOr("manifest", checkParts(m.Types, m.Segments, m.Names))
}

// Check reports what is wrong with a list in itself.
func (l List) Check() error {
	if l.Format != Format {
		return otherFormat("list", l.Format)
	}
	return errOr("list", checkParts(l.Types, l.Segments, l.Names))
}

func errOr(what string, err error) error {
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}

func checkParts(types []TypeStatus, segments []Segment, names NamePaths) error {
	if err := names.check(); err != nil {
		return err
	}
	seen := map[resource.Type]bool{}
	for _, t := range types {
		if seen[t.Type] {
			return fmt.Errorf("type %s stands twice", t.Type)
		}
		seen[t.Type] = true
		if err := t.check(); err != nil {
			return err
		}
	}
	for _, s := range segments {
		if err := s.check(); err != nil {
			return fmt.Errorf("segment %s %w", s.Name, err)
		}
	}
	return layered(segments)
}

func (s TypeStatus) check() error {
	hides := slices.ContainsFunc(s.Gaps, func(g Gap) bool { return g.Hides })
	switch {
	case checkType(s.Type) != nil:
		return checkType(s.Type)
	case s.Objects < 0 || s.Hidden.Objects < 0:
		return fmt.Errorf("type %q has a wrong count", s.Type)
	case !hides && s.Hidden != (Held{}) || s.Hides("") && s.Held != (Held{}):
		return fmt.Errorf("type %s has something else hidden than its gaps hide", s.Type)
	}
	for _, g := range s.Gaps {
		if g.Type != s.Type || !slices.Contains([]Reason{Forbidden, NotLicensed, Truncated, Failed}, g.Reason) {
			return fmt.Errorf("type %s has a wrong gap", s.Type)
		}
	}
	return nil
}

func (r Ref) check(name func(string) bool) error {
	switch {
	case !name(r.Name):
		return fmt.Errorf("has no name of its kind")
	case r.Folder != "" && !folderName.MatchString(r.Folder):
		return fmt.Errorf("lies in %q, which is no snapshot's folder", r.Folder)
	case r.Bytes < 1 || r.Bytes > MaxObject:
		return fmt.Errorf("has a wrong size")
	case r.Again && r.Key == 0:
		return fmt.Errorf("was sealed anew under no key")
	}
	if sum, err := hex.DecodeString(r.SHA256); err != nil || len(sum) != 32 || strings.ToLower(r.SHA256) != r.SHA256 {
		return fmt.Errorf("has a wrong SHA-256")
	}
	return nil
}

func (s Segment) check() error {
	if err := s.Ref.check(segmentName.MatchString); err != nil {
		return err
	}
	switch {
	case s.Family != Bodies && s.Family != Moving && s.Family != Names:
		return fmt.Errorf("is of a family that is none")
	case CheckKey(s.First) != nil || CheckKey(s.Last) != nil || s.First.Compare(s.Last) > 0:
		return fmt.Errorf("has a wrong range")
	case s.Records < 1 || s.Tombstones < 0 || s.Tombstones > s.Records || (s.Records == 1) != (s.First == s.Last):
		return fmt.Errorf("has a wrong count")
	case s.Plain < 1 || s.Layer < 0 || !rises(s.Filter):
		return fmt.Errorf("has a wrong size, layer or filter")
	}
	return s.checkChunks()
}

// What of a sealed object its chunks do not count: its head, and each one's length.
const (
	headSize   = 42
	lengthSize = 4
)

func (s Segment) checkChunks() error {
	if len(s.Chunks) == 0 && len(s.Head) == 0 {
		return nil
	}
	if len(s.Chunks) < 2 || len(s.Head) != headSize {
		return fmt.Errorf("has wrong chunks, or a wrong head")
	}
	bytes, records := int64(headSize), int64(0)
	for i, c := range s.Chunks {
		bytes, records = bytes+lengthSize+c.Bytes, records+c.Records
		if c.Records < 1 || c.Bytes < 1 || bytes > s.Bytes || i > 0 && s.Chunks[i-1].First.Compare(c.First) >= 0 {
			return fmt.Errorf("has wrong chunks")
		}
	}
	if bytes != s.Bytes || records != s.Records || s.Chunks[0].First != s.First || s.Chunks[len(s.Chunks)-1].First.Compare(s.Last) > 0 {
		return fmt.Errorf("has wrong chunks")
	}
	return nil
}
