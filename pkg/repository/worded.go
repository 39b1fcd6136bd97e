package repository

import (
	"slices"

	"imago/pkg/snapshot"
)

// In manifests and lists an object does not say its data key where that is the one of what
// names it: nearly everywhere. In memory all of them have it.

// manifestText words a manifest that is to be sealed under the current data key.
func (r *Repository) manifestText(m snapshot.Manifest) ([]byte, error) {
	if m.List != nil {
		list := r.unkeyed(*m.List)
		m.List = &list
	}
	m.Segments = r.unkeyedAll(m.Segments)
	return snapshot.EncodeManifest(m)
}

// listText words a list that is to be sealed under the current data key.
func (r *Repository) listText(l snapshot.List) ([]byte, error) {
	l.Segments = r.unkeyedAll(l.Segments)
	return snapshot.EncodeList(l)
}

func (r *Repository) unkeyedAll(segments []snapshot.Segment) []snapshot.Segment {
	out := slices.Clone(segments)
	for i := range out {
		out[i].Ref = r.unkeyed(out[i].Ref)
	}
	return out
}

// unkeyed leaves the data key out, unless it is a part of what the object is called.
func (r *Repository) unkeyed(ref snapshot.Ref) snapshot.Ref {
	if ref.Key == r.keys.Current() && !ref.Again {
		ref.Key = 0
	}
	return ref
}

// keyed fills in what is left out, of what an object names that is sealed under a data key.
func keyed(version uint32, list *snapshot.Ref, segments []snapshot.Segment) {
	if list != nil && list.Key == 0 {
		list.Key = version
	}
	for i := range segments {
		if segments[i].Key == 0 {
			segments[i].Key = version
		}
	}
}
