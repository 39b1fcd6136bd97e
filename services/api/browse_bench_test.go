package api

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	imagov1 "imago/proto/imago/v1"
)

// large is how many objects the type has that BenchmarkBrowse looks through, and rounds how
// often it does each thing.
const (
	large  = 100_000
	rounds = 200
)

// BenchmarkBrowse measures what a person waits for who browses a type of 100,000 objects:
// each interaction as the api answers it over HTTP, with its row in the activity log, in
// the middle (p50) and at its worst (p99), beside a floor in the same run: an RPC that does
// nothing but find out who asks, and a look through as many names in memory. "cold" is the
// first search of somebody who has not seen the type's first page: it reads the whole type.
//
//	go test ./services/api -run '^$' -bench Browse -benchtime 1x
func BenchmarkBrowse(b *testing.B) {
	w := newWorld(b, Config{})
	p := w.owner()
	snap := w.take(p, w.db.Connection(b, p.account), many())
	floor := w.floor(b, p)
	b.Run("floor", func(b *testing.B) { report(b, floor, floor) })
	b.Run("cold search", func(b *testing.B) {
		report(b, floor, timed(b, 5, func(n int) error {
			w.api.indexes = newIndexes(indexBytes, indexIdle, w.api.now)
			return p.find(b, snap, n)
		}))
	})
	token := ""
	for _, each := range []struct {
		name string
		do   func(int) error
	}{
		{"first page", func(int) error { return p.page(b, snap, new(string)) }},
		{"next page", func(int) error { return p.page(b, snap, &token) }},
		{"search", func(n int) error { return p.find(b, snap, n) }},
		{"search of all types", func(n int) error {
			_, err := p.snapshots.SearchSnapshot(b.Context(), req(&imagov1.SearchSnapshotRequest{SnapshotId: snap, Search: word(n)}))
			return err
		}},
		{"object", func(n int) error {
			_, err := p.snapshots.GetResource(b.Context(), req(&imagov1.GetResourceRequest{SnapshotId: snap, Key: "user/" + id(n*487%large)}))
			return err
		}},
	} {
		b.Run(each.name, func(b *testing.B) { report(b, floor, timed(b, rounds, each.do)) })
	}
}

func id(n int) string { return fmt.Sprintf("00u%017d", n) }

// word is in the names of few people, and not twice the same.
func word(n int) string { return fmt.Sprintf("person %05d", n*331%large) }

// many are a hundred thousand people as Okta sends them.
func many() []thing {
	out := make([]thing, large)
	for n := range out {
		out[n] = thing{"user/" + id(n), fmt.Sprintf(`{"id":%q,"status":"ACTIVE","created":"2024-02-03T04:05:06.000Z","lastUpdated":"2026-05-06T07:08:09.000Z",
			"profile":{"login":"person.%05d@acme.example","email":"person.%05d@acme.example","firstName":"Person","lastName":"%05d","displayName":"Person %05d",
			"department":"Department %d","title":"Engineer %d","city":"Utrecht","countryCode":"NL","employeeNumber":"%d","manager":"Person %05d"},
			"type":{"id":"oty1gjh63g214q0Hq0g4"},"credentials":{"provider":{"type":"OKTA","name":"OKTA"}}}`,
			id(n), n, n, n, n, n%97, n%31, n, n/10)}
	}
	return out
}

// page reads the next 200 people, and where to go on.
func (p *person) page(b *testing.B, snap string, token *string) error {
	res, err := p.snapshots.ListResources(b.Context(), req(&imagov1.ListResourcesRequest{SnapshotId: snap, Type: "user", PageSize: 200, PageToken: *token}))
	if err == nil && len(res.Msg.GetResources()) != 200 {
		err = fmt.Errorf("a page of %d", len(res.Msg.GetResources()))
	}
	if err == nil {
		*token = res.Msg.GetNextPageToken()
	}
	return err
}

// find looks for somebody by name.
func (p *person) find(b *testing.B, snap string, n int) error {
	res, err := p.snapshots.ListResources(b.Context(), req(&imagov1.ListResourcesRequest{SnapshotId: snap, Type: "user", Search: word(n), PageSize: 200}))
	if err == nil && len(res.Msg.GetResources()) == 0 {
		err = fmt.Errorf("%q is not found", word(n))
	}
	return err
}

// floor is what no search does without: to be asked by somebody, and to look at every name.
func (w *world) floor(b *testing.B, p *person) []time.Duration {
	names := make([]string, large)
	for n := range names {
		names[n] = strings.ToLower(fmt.Sprintf("Person %05d\n%s", n, id(n)))
	}
	return timed(b, rounds, func(n int) error {
		search, found := word(n), 0
		for _, name := range names {
			if strings.Contains(name, search) {
				found++
			}
		}
		if found == 0 {
			return fmt.Errorf("%q is not found", search)
		}
		_, err := p.signIn.WhoAmI(b.Context(), req(&imagov1.WhoAmIRequest{}))
		return err
	})
}

// timed does something so often, and gives how long each time took, sorted.
func timed(b *testing.B, times int, do func(int) error) []time.Duration {
	b.Helper()
	took := make([]time.Duration, times)
	for n := range took {
		at := time.Now()
		if err := do(n); err != nil {
			b.Fatal(err)
		}
		took[n] = time.Since(at)
	}
	slices.Sort(took)
	return took
}

// report reports the middle and the worst, and the middle beside the floor's.
func report(b *testing.B, floor, took []time.Duration) {
	ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(ms(took[len(took)/2]), "p50-ms")
	b.ReportMetric(ms(took[len(took)*99/100]), "p99-ms")
	b.ReportMetric(ms(took[len(took)/2])/ms(floor[len(floor)/2]), "p50/floor")
}
