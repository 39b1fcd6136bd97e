package api

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"connectrpc.com/connect"

	"imago/pkg/resource"
	imagov1 "imago/proto/imago/v1"
	"imago/services/api/internal/page"
	"imago/services/api/internal/valid"
)

// lookFor bounds how long one look through a snapshot takes; the next page goes on.
const lookFor = 5 * time.Second

func (s snapshotService) SearchSnapshot(ctx context.Context, r *connect.Request[imagov1.SearchSnapshotRequest]) (*connect.Response[imagov1.SearchSnapshotResponse], error) {
	row, err := s.find(ctx, r.Msg.GetSnapshotId(), "")
	if err != nil {
		return nil, err
	}
	h, err := s.hunt(r.Msg)
	if err != nil {
		return nil, err
	}
	ring, err := s.keyring(ctx)
	if err != nil {
		return nil, err
	}
	if h.after, err = page.Position(mac(ring), r.Msg); err != nil {
		return nil, err
	}
	snap, err := s.open(ctx, ring, row, opening{"search_snapshot", r.Msg.GetSearch(), h.after != ""})
	if err != nil {
		return nil, err
	}
	h.names, h.at = newNames(s.Provider.Catalog(), snap), spot{account: row.AccountID, snapshot: row.ID}
	if err := h.run(ctx); err != nil {
		return nil, err
	}
	out := &imagov1.SearchSnapshotResponse{Hits: h.hits}
	out.NextPageToken, err = page.Token(mac(ring), r.Msg, h.next)
	return connect.NewResponse(out), err
}

// hunt is a search through a snapshot, or a part of it.
type hunt struct {
	s      *Service
	names  *names
	at     spot
	types  []resource.Type
	search string // in lower case
	fields bool
	most   int
	until  time.Time

	after string // the key to go on after; "" is the start
	last  string // the key that was looked at last
	hits  []*imagov1.SearchHit
	next  string // to go on after; "": all was looked at
}

// hunt checks what is looked for.
func (s snapshotService) hunt(m *imagov1.SearchSnapshotRequest) (*hunt, error) {
	h := &hunt{s: s.Service, fields: m.GetFields(), until: s.now().Add(lookFor)}
	search, err := valid.Text("search", m.GetSearch(), 200)
	if err != nil {
		return nil, err
	}
	h.search = strings.ToLower(search)
	if h.most, err = page.Size(m); err != nil {
		return nil, err
	}
	asked := m.GetTypes()
	for _, t := range asked {
		if _, err := valid.Type("types", t, s.Provider.Catalog()); err != nil {
			return nil, err
		}
	}
	for _, info := range s.Provider.Catalog() {
		if len(asked) == 0 && !link(info) || slices.Contains(asked, string(info.Type)) {
			h.types = append(h.types, info.Type)
		}
	}
	return h, nil
}

// link reports whether a type only links others, whose names it would repeat.
func link(info resource.Info) bool {
	return slices.ContainsFunc(info.Refs, func(r resource.Ref) bool { return r.In == resource.InID })
}

// run goes through the types in their order.
func (h *hunt) run(ctx context.Context) error {
	from, _ := resource.ParseKey(h.after)
	if i := slices.Index(h.types, from.Type); i > 0 {
		h.types = h.types[i:]
	}
	for _, t := range h.types {
		h.at.of = t
		after := ""
		if t == from.Type {
			after = h.after
		}
		if err := h.through(ctx, after); err != nil || h.next != "" {
			return err
		}
	}
	return nil
}

// through goes through one type.
func (h *hunt) through(ctx context.Context, after string) error {
	if h.fields {
		return h.bodies(ctx, after)
	}
	x, ok, err := h.s.indexed(ctx, h.names, h.at)
	if err != nil {
		return err
	}
	if !ok {
		return h.bodies(ctx, after)
	}
	for _, l := range x.after(after) {
		if l.holds(h.search) && !h.hit(l.summary(), l.key, "", "") {
			return nil
		}
	}
	h.last = after
	if len(x) > 0 {
		h.last = x[len(x)-1].key.String()
	}
	h.pause()
	return nil
}

// bodies reads a type object by object.
func (h *hunt) bodies(ctx context.Context, after string) error {
	from, _ := resource.ParseKey(after)
	for r, err := range h.names.snap.Walk(ctx, h.at.of) {
		if err != nil {
			return err
		}
		if after != "" && r.Key.Compare(from) <= 0 {
			continue
		}
		if more, err := h.look(ctx, r); err != nil || !more {
			return err
		}
		if h.last = r.Key.String(); h.pause() {
			return nil
		}
	}
	return nil
}

// look looks at one object; more is false when the page is full.
func (h *hunt) look(ctx context.Context, r resource.Resource) (more bool, err error) {
	path, value, found, err := h.within(ctx, r)
	if err != nil || !found {
		return true, err
	}
	summary, err := h.names.summary(ctx, r)
	return h.hit(summary, r.Key, path, value), err
}

// within finds where an object holds what is looked for: name and ID go first. What
// nobody may see is not looked into either.
func (h *hunt) within(ctx context.Context, r resource.Resource) (path, value string, found bool, err error) {
	label, err := h.names.of(ctx, r)
	if err != nil || strings.Contains(strings.ToLower(label+"\n"+r.ID), h.search) {
		return "", "", err == nil, err
	}
	if !h.fields {
		return "", "", false, nil
	}
	info, known := h.names.catalog.Info(r.Type)
	if !known { // nor what of it nobody may see
		return "", "", false, nil
	}
	body, err := resource.Without(r.Body, info.Secret...)
	if err != nil {
		return "", "", false, err
	}
	// Most hold nothing of it, and are not taken apart. A text with a quotation mark or a
	// backslash stands otherwise in JSON.
	if !strings.ContainsAny(h.search, "\"\\") && !bytes.Contains(bytes.ToLower(body), []byte(h.search)) {
		return "", "", false, nil
	}
	var v any
	if err := json.Unmarshal(body, &v); err != nil {
		return "", "", false, fmt.Errorf("read %s: %w", r.Type, err)
	}
	path, value, found = held("", v, h.search)
	return path, value, found, nil
}

// held finds the first field whose value holds a text, in the order of names.
func held(at string, v any, search string) (path, value string, found bool) {
	switch v := v.(type) {
	case map[string]any:
		keys := make([]string, 0, len(v))
		for k := range v {
			keys = append(keys, k)
		}
		slices.Sort(keys)
		for _, k := range keys {
			if path, value, found = held(strings.TrimPrefix(at+"."+k, "."), v[k], search); found {
				return path, value, true
			}
		}
	case []any:
		for _, e := range v {
			if path, value, found = held(at+"[]", e, search); found {
				return path, value, true
			}
		}
	case nil:
	default:
		text := fmt.Sprint(v)
		return at, text, strings.Contains(strings.ToLower(text), search)
	}
	return "", "", false
}

// hit adds a hit; false when the page was full without it.
func (h *hunt) hit(summary *imagov1.ResourceSummary, key resource.Key, path, value string) bool {
	if len(h.hits) == h.most {
		h.next = h.hits[len(h.hits)-1].GetResource().GetKey()
		return false
	}
	h.hits = append(h.hits, &imagov1.SearchHit{
		Resource: summary, TypeTitle: title(h.names.catalog, key.Type), Path: path, Value: value,
	})
	return true
}

// pause ends the look when its time is over; the next one goes on after what was looked
// at last.
func (h *hunt) pause() bool {
	if h.last != "" && h.s.now().After(h.until) {
		h.next = h.last
	}
	return h.next != ""
}

// mostReferring is how many of those that refer to something are shown.
const mostReferring = 200

// referring finds what refers to a resource: in the types of which some can, and there
// in whatever holds its ID. more tells that there are others, or that time was over.
func (s *Service) referring(ctx context.Context, n *names, to resource.Key) (found []*imagov1.ResourceSummary, more bool, err error) {
	until := s.now().Add(lookFor)
	for _, info := range n.catalog {
		if !slices.ContainsFunc(info.Refs, func(r resource.Ref) bool { return slices.Contains(r.To, to.Type) }) {
			continue
		}
		for r, err := range n.snap.Walk(ctx, info.Type) {
			if err != nil {
				return nil, false, err
			}
			if len(found) == mostReferring || s.now().After(until) {
				return found, true, nil
			}
			refers, err := refersTo(info, r, to)
			if err != nil {
				return nil, false, err
			}
			if !refers {
				continue
			}
			summary, err := n.summary(ctx, r)
			if err != nil {
				return nil, false, err
			}
			found = append(found, summary)
		}
	}
	return found, false, nil
}

// refersTo reports whether one resource refers to another. Most hold nothing of its ID,
// and are not taken apart.
func refersTo(info resource.Info, r resource.Resource, to resource.Key) (bool, error) {
	id := []byte(to.ID)
	if r.Key == to || r.ID != to.ID && !strings.Contains(r.Parent, to.ID) && !bytes.Contains(r.Body, id) {
		return false, nil
	}
	refs, err := resource.References(info, r)
	return slices.ContainsFunc(refs, func(ref resource.Reference) bool {
		return slices.Contains(ref.To, to.Type) && ref.ID == to.ID
	}), err
}
