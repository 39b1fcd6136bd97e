package backup_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"testing"
	"time"

	"imago/pkg/backup"
	"imago/pkg/provider"
	"imago/pkg/repository"
	"imago/pkg/resource"
	"imago/pkg/snapshot"
)

// pacedOrg has apps with a few users and groups each, and takes its time for each call
// as an org does whose rate limit is all used.
type pacedOrg struct {
	apps int
	pace time.Duration
	now  time.Time
}

var pacedCatalog = resource.Catalog{{Type: "app"}, {Type: "app_user", Shape: resource.LinkSet, Parent: "app"}, {Type: "app_group", Shape: resource.LinkSet, Parent: "app"}}

func (o *pacedOrg) List(_ context.Context, t resource.Type, parent resource.Key, _ string) iter.Seq2[provider.Page, error] {
	return func(yield func(provider.Page, error) bool) {
		o.now = o.now.Add(o.pace)
		n := 5
		if t == "app" {
			n = o.apps
		}
		page := provider.Page{Calls: 1}
		for i := range n {
			page.Resources = append(page.Resources, resource.Resource{Key: resource.Key{Type: t, Parent: parent.ID, ID: fmt.Sprintf("0oa%017d", i)}, Body: []byte(`{"scope":"USER"}`)})
		}
		yield(page, nil)
	}
}

func (o *pacedOrg) Get(context.Context, resource.Key) (resource.Resource, error) {
	return resource.Resource{}, errors.New("a backup does not read one by one")
}

func (o *pacedOrg) Find(context.Context, resource.Resource) ([]resource.Resource, error) {
	return nil, errors.New("a backup does not look for things")
}

func (o *pacedOrg) Org(context.Context) (provider.OrgFacts, error) {
	return provider.OrgFacts{ID: "o"}, nil
}

// weighing is a journal that counts what it is given.
type weighing struct {
	last            []byte
	saves, together int
}

func (w *weighing) Load(context.Context) ([]byte, error) { return w.last, nil }

func (w *weighing) Save(_ context.Context, state []byte, _ backup.Progress) error {
	w.last = slices.Clone(state)
	w.saves, w.together = w.saves+1, w.together+len(state)
	return nil
}

// TestPacedReading: a snapshot that a rate limit draws out over many slices has no more
// segments than one that is taken at once, and what its checkpoints say does not grow
// with their number.
func TestPacedReading(t *testing.T) {
	t.Parallel()
	o, journal := &pacedOrg{apps: 1000, pace: 1200 * time.Millisecond, now: noon}, &weighing{}
	var draft *repository.Draft
	in := backup.Input{
		Facts:   snapshot.Manifest{ID: "s1", Account: "acc", Connection: "con", Started: noon},
		Catalog: pacedCatalog, Reader: o, Journal: journal, Open: opener(testRepository(t), &draft),
	}
	for n := 1; ; n++ {
		out, err := backup.Slice(t.Context(), in, backup.Options{Now: func() time.Time { return o.now }, Until: o.now.Add(8 * time.Second), Every: 4 * time.Second})
		if err != nil || n > 1000 {
			t.Fatalf("slice %d: %v", n, err)
		}
		if !out.Done {
			continue
		}
		if m := out.Manifest; m.Objects() != 11_000 || len(m.Segments) > len(pacedCatalog) {
			t.Errorf("%d objects in %d segments", m.Objects(), len(m.Segments))
		}
		t.Logf("%d slices, %d checkpoints of %d bytes together", n, journal.saves, journal.together)
		if each := journal.together / journal.saves; n < 200 || each > 16<<10 {
			t.Errorf("%d slices, %d bytes a checkpoint", n, each)
		}
		return
	}
}
