package worker

import (
	"testing"
	"time"

	"imago/pkg/account"
)

// A connection's data is read on one day of each week, and another part of it each time.
func TestSampleOncePerWeek(t *testing.T) {
	t.Parallel()
	monday := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	days := map[time.Weekday]bool{}
	for _, id := range []account.ConnectionID{"a", "b", "c", "d", "e", "f"} {
		seeds := map[uint64]bool{}
		read := 0
		for day := range 4 * 7 {
			now := monday.AddDate(0, 0, day)
			o := howClosely(id, now)
			if o.Data || o.Prefixes != nil {
				t.Errorf("%s: all of it is read", id)
			}
			if o.Sample > 0 {
				read++
				seeds[o.Seed] = true
				days[now.Weekday()] = true
			}
		}
		if read != 4 || len(seeds) != 4 {
			t.Errorf("%s: read on %d days of four weeks, by %d seeds", id, read, len(seeds))
		}
	}
	if len(days) < 2 {
		t.Error("all connections are read on one day")
	}
}
