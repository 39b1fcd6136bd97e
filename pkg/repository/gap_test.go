package repository_test

import (
	"fmt"
	"testing"
	"time"

	"imago/pkg/blob/mem"
	"imago/pkg/resource"
	"imago/pkg/snapshot"
)

// TestAGapWritesNothing: what could not be read for a night is neither deleted nor written
// anew: it is hidden, and there again when it is read again.
func TestAGapWritesNothing(t *testing.T) {
	t.Parallel()
	r := repo(t, mem.New(mem.Options{}), keyring(t, alice), conn, small)
	last := take(t, r, org(60))
	for n, gap := range []snapshot.Gap{
		{Type: "user", Reason: snapshot.Forbidden, Detail: "d"}, {},
		{Type: "group_member", Parent: "00g000002", Reason: snapshot.Failed, Detail: "d"}, {},
	} {
		d, err := r.Begin(fmt.Sprint("s", n), started.Add(time.Duration(1+n)*time.Hour), last)
		if err != nil {
			t.Fatal(err)
		}
		var read []resource.Resource
		for _, res := range org(60) {
			if !gap.Covers(res.Type, res.Parent) {
				read = append(read, res)
			}
		}
		addAll(t, d, read)
		f := facts()
		f.Types = []snapshot.TypeStatus{{Type: "user"}, {Type: "group"}, {Type: "group_member"}}
		for i := range f.Types {
			if f.Types[i].Type == gap.Type {
				f.Types[i].Gaps = []snapshot.Gap{gap}
			}
		}
		if _, err := d.Commit(t.Context(), f); err != nil {
			t.Fatal(err)
		}
		if last, err = r.Open(t.Context(), d.Prefix()); err != nil {
			t.Fatal(err)
		}
		holds(t, last, read)
		if added := last.Manifest().Added(); added != 0 {
			t.Errorf("%d: %d bytes were written where nothing changed", n, added)
		}
	}
}
