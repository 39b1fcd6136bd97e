package repository_test

import (
	"testing"

	"imago/pkg/blob/mem"
	"imago/pkg/repository"
	"imago/pkg/resource"
)

// TestOneMovedRecordCostsOneSegment: where all segments overlap and one record came
// again, one segment is written anew, and the record that came later counts.
func TestOneMovedRecordCostsOneSegment(t *testing.T) {
	t.Parallel()
	r := repo(t, mem.New(mem.Options{}), keyring(t, alice), conn, repository.Options{SegmentPlain: 4000, SegmentSealed: 4000, Chunk: 1000, Keep: 16_000})
	all := org(300)[:300] // in an order that spreads each segment over all keys
	var users []resource.Resource
	for start := range 7 {
		for i := start; i < len(all); i += 7 {
			if all[i].Type == "user" {
				users = append(users, all[i])
			}
		}
	}
	d := begin(t, r)
	addAll(t, d, users)
	moved := users[40]
	moved.Body = []byte(`{"moved":true}`)
	addAll(t, d, []resource.Resource{moved})
	m := commit(t, d)
	if report := check(t, r); len(m.Segments) < 6 || report.Rubbish != 1 || len(report.Damage) > 0 {
		t.Errorf("%d segments; %+v; want one that was written anew", len(m.Segments), report)
	}
	s, err := r.Open(t.Context(), d.Prefix())
	if err != nil {
		t.Fatal(err)
	}
	users[40] = moved
	holds(t, s, users)
}
