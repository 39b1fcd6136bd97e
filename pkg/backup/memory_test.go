package backup_test

import (
	"context"
	"fmt"
	"iter"
	"runtime"
	"testing"
	"time"

	"imago/pkg/backup"
	"imago/pkg/provider"
	"imago/pkg/resource"
	"imago/pkg/snapshot"
)

// wideOrg has one app with very many users, and looks at the heap on their last page.
type wideOrg struct {
	pacedOrg
	pages int
	used  uint64 // bytes of the heap
}

func (o *wideOrg) List(_ context.Context, t resource.Type, parent resource.Key, _ string) iter.Seq2[provider.Page, error] {
	return func(yield func(provider.Page, error) bool) {
		pages := 1
		if t == "app_user" {
			pages = o.pages
		}
		for p := 1; p <= pages; p++ {
			page := provider.Page{Calls: 1}
			if p < pages {
				page.Cursor = fmt.Sprint(p)
			} else {
				o.used = heap()
			}
			for i := range 500 {
				page.Resources = append(page.Resources, resource.Resource{Key: resource.Key{Type: t, Parent: parent.ID, ID: fmt.Sprintf("00u%08d%06d", p, i)}, Body: []byte(`{}`)})
				if t == "app" {
					break
				}
			}
			if !yield(page, nil) {
				return
			}
		}
	}
}

func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// forgetful is a draft that keeps no links.
type forgetful struct{ *draft }

func (d forgetful) Add(ctx context.Context, r resource.Resource) error {
	if r.Type != "app" {
		return nil
	}
	return d.draft.Add(ctx, r)
}

// TestMemory: what is kept of a list while it is read does not grow with it. It is not
// parallel: the heap is one.
func TestMemory(t *testing.T) {
	s := newStore(&life{})
	o := &wideOrg{pacedOrg: pacedOrg{now: noon}, pages: 400}
	in := backup.Input{
		Facts:   snapshot.Manifest{ID: "s1", Account: "acc", Connection: "con", Started: noon},
		Catalog: pacedCatalog[:2], Reader: o, Journal: s,
		Open: func(ctx context.Context, state []byte) (backup.Draft, error) {
			d, err := s.open(ctx, state)
			return forgetful{d.(*draft)}, err
		},
	}
	before := heap()
	out, err := backup.Slice(t.Context(), in, backup.Options{Now: fixed, Every: time.Hour})
	if err != nil || !out.Done {
		t.Fatalf("%+v, %v", out, err)
	}
	if most := uint64(4 << 20); o.used > before+most {
		t.Errorf("%d KiB are kept of %d users", (o.used-before)>>10, o.pages*500)
	}
}

// TestCheckpointsHoldNoParents: a checkpoint in the middle of a type that is read group
// by group has the same size whether there are a few groups or many.
func TestCheckpointsHoldNoParents(t *testing.T) {
	t.Parallel()
	size := func(groups int) int {
		o := newOrg()
		o.size = 10_000
		for i := range groups {
			o.put("group", "", fmt.Sprintf("more%016d", i), `{"type":"OKTA"}`)
		}
		s := newStore(o.life)
		o.wrong["group_membership/g2"] = []error{&provider.Wait{Until: noon}}
		if out, err := backup.Slice(t.Context(), input(o, s), backup.Options{Now: fixed, Every: time.Hour}); err != nil || out.Wait.IsZero() {
			t.Fatalf("%+v, %v", out, err)
		}
		return len(s.journal)
	}
	few, many := size(0), size(1000)
	if many > few+100 {
		t.Errorf("%d bytes, and with a thousand groups more %d", few, many)
	}
}
