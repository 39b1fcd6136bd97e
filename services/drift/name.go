package drift

import (
	"encoding/hex"
	"slices"
	"strings"

	"imago/pkg/postgres/sealed"
	"imago/pkg/postgres/snapshots"
	"imago/pkg/provider"
	"imago/pkg/resource"
)

// named lists what the worker reads again, in the order of keys: what the look has looked
// at, and whatever else the events touched, once they were looked into whole. A look that
// was held up comes back to them.
func named(catalog resource.Catalog, events []provider.Event, o found) (out []resource.Key) {
	add := func(k resource.Key) {
		info, known := catalog.Info(k.Type)
		if known && single(k) && (info.Parent == "" || k.Parent != "") {
			out = append(out, k)
		}
	}
	for _, s := range o.observed.Sightings {
		add(s.Key)
	}
	if o.later == nil && o.observed.Complete {
		for _, e := range events {
			for _, t := range e.Touched {
				if e.Outcome == "SUCCESS" {
					add(t.Key)
				}
			}
		}
	}
	slices.SortFunc(out, resource.Key.Compare)
	return slices.Compact(out)
}

// single reports whether a key is one object's: the drift monitor also keeps sightings of
// lists, and of their orders.
func single(k resource.Key) bool { return k.ID != "" && !strings.HasPrefix(k.ID, "*") }

// sealNamed seals keys for the table in which the worker finds them.
func (f *following) sealNamed(keys []resource.Key) (out []snapshots.Object, err error) {
	for _, k := range keys {
		o := snapshots.Object{Resource: hex.EncodeToString(f.ring.Digest("named", []byte(f.id), []byte(k.String())))}
		if o.Sealed, err = sealed.Named(f.id, o.Resource).Seal(f.ring, k); err != nil {
			return nil, err
		}
		out = append(out, o)
	}
	return out, nil
}
