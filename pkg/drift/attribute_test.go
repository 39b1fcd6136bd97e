package drift_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"imago/pkg/diff"
	"imago/pkg/drift"
	"imago/pkg/provider"
	"imago/pkg/resource"
)

func TestAttribute(t *testing.T) {
	t.Parallel()
	k, _ := resource.ParseKey("group/00gA")
	tests := map[string]struct {
		op     diff.Op
		events string
		want   string
	}{
		"nobody":                              {diff.Delete, "", "nobody is named"},
		"another group":                       {diff.Delete, "e1 12:00:01 ada SUCCESS tx1 x delete group/00gB", "nobody is named"},
		"a failure":                           {diff.Delete, "e1 12:00:01 ada FAILURE tx1 x delete group/00gA", "nobody is named"},
		"the one":                             {diff.Delete, "e1 12:00:01 ada SUCCESS tx1 x delete group/00gA", "id-ada e1"},
		"not the create of a delete":          {diff.Delete, "e1 12:00:01 ada SUCCESS tx1 x create group/00gA", "nobody is named"},
		"an update is no create's but better": {diff.Create, "e1 12:00:01 ada SUCCESS tx1 x update group/00gA\ne2 12:00:02 bob SUCCESS tx2 x create group/00gA", "id-bob e2"},
		"the last of two creates":             {diff.Create, "e1 12:00:01 ada SUCCESS tx1 x create group/00gA\ne2 12:00:02 bob SUCCESS tx2 x create group/00gA", "id-bob e2"},
		"the last by time, not by arrival":    {diff.Create, "e2 12:00:02 bob SUCCESS tx2 x create group/00gA\ne1 12:00:01 ada SUCCESS tx1 x create group/00gA", "id-bob e2"},
		"two updates by one":                  {diff.Update, "e1 12:00:01 ada SUCCESS tx1 x update group/00gA\ne2 12:00:02 ada SUCCESS tx2 x update group/00gA", "id-ada e2"},
		"two updates by two":                  {diff.Update, "e1 12:00:01 ada SUCCESS tx1 x update group/00gA\ne2 12:00:02 bob SUCCESS tx2 x update group/00gA", "perhaps id-ada e1 perhaps id-bob e2"},
		"a person before the provider":        {diff.Update, "e1 12:00:01 ada SUCCESS tx1 x update group/00gA\ne2 12:00:02 system SUCCESS tx2 x update group/00gA", "id-ada e1"},
		"the provider alone":                  {diff.Update, "e1 12:00:01 ada SUCCESS tx1 x update group/00gB\ne2 12:00:02 system SUCCESS tx2 x update group/00gA", "system e2"},
		"the provider for a person":           {diff.Update, "e1 12:00:01 ada SUCCESS tx1 x update group/00gB\ne2 12:00:02 system SUCCESS tx1 x update group/00gA", "id-ada e1 with e2"},
		"not for a person who failed":         {diff.Update, "e1 12:00:01 ada FAILURE tx1 x update group/00gB\ne2 12:00:02 system SUCCESS tx1 x update group/00gA", "system e2 with e1"},
		"not for two persons":                 {diff.Update, "e1 12:00:01 ada SUCCESS tx1 x update group/00gB\ne0 12:00:01 bob SUCCESS tx1 x update group/00gC\ne2 12:00:02 system SUCCESS tx1 x update group/00gA", "system e2 with e1 with e0"},
		"no transaction is none in common":    {diff.Update, "e1 12:00:01 ada SUCCESS - x update group/00gB\ne2 12:00:02 system SUCCESS - x update group/00gA", "system e2"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := attributed(drift.Attribute(diff.Change{Key: k, Op: tt.op}, readEvents(t, tt.events))); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}

// TestAttributeNeverNamesABystander: whoever is named touched the resource, by a
// successful event, or acted in the transaction of the provider's event that did.
func TestAttributeNeverNamesABystander(t *testing.T) {
	t.Parallel()
	const seed = 7
	r := rand.New(rand.NewPCG(seed, seed))
	pick := func(of ...string) string { return of[r.IntN(len(of))] }
	named := 0
	for range 20000 {
		var events []provider.Event
		for i := range r.IntN(8) {
			system := r.IntN(3) == 0
			k, _ := resource.ParseKey(pick("group/A", "group/B", "group_role/A/r1", "group_role/B/r1"))
			e := provider.Event{ID: fmt.Sprint(i), Time: noon, Outcome: pick("SUCCESS", "SUCCESS", "FAILURE"),
				Transaction: pick("", "t1", "t2"), Actor: provider.Actor{ID: pick("ada", "bob"), System: system}}
			if system {
				e.Actor.ID = "system"
			}
			touch := provider.Touch{Key: k, Op: provider.Op(pick("create", "update", "delete"))}
			if k.Type == "group" && r.IntN(2) == 0 {
				touch.Children = []resource.Type{"group_role"}
			}
			e.Touched = []provider.Touch{touch}
			events = append(events, e)
		}
		key, _ := resource.ParseKey(pick("group/A", "group_role/A/r1"))
		change := diff.Change{Key: key, Op: diff.Op(pick("create", "update", "delete"))}
		a := drift.Attribute(change, events)
		all := slices.Clone(a.Candidates)
		if a.Event != nil {
			all = append(all, *a.Event)
			named++
		}
		for _, e := range all {
			if !entitled(e, key, events) {
				t.Fatalf("%s %s: %s is named by %+v in %+v", change.Op, key, e.Actor.ID, e, events)
			}
		}
	}
	if named < 1000 {
		t.Errorf("only %d of the changes were attributed: the test proves little", named)
	}
}

func entitled(e provider.Event, k resource.Key, all []provider.Event) bool {
	touches := func(e provider.Event) bool {
		return e.Outcome == "SUCCESS" && slices.ContainsFunc(e.Touched, func(t provider.Touch) bool {
			return t.Key == k || slices.Contains(t.Children, k.Type) && t.Key.ID == k.Parent
		})
	}
	return touches(e) || e.Outcome == "SUCCESS" && slices.ContainsFunc(all, func(o provider.Event) bool {
		return o.Actor.System && touches(o) && o.Transaction != "" && o.Transaction == e.Transaction
	})
}
