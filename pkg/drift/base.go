package drift

import (
	"time"

	"imago/pkg/provider"
)

// Base picks the snapshot to compare events with, by when the snapshots were ended: the
// newest that was ended before the first of the events, so that no change is in it
// already; the oldest when none was. It gives its index, or -1 when there are no
// snapshots. The events' times are by the org's clock: where another tells those of the
// snapshots, and both are near, pass the one before as Input.Earlier.
func Base(ended []time.Time, events []provider.Event) int {
	var first time.Time
	for _, e := range events {
		if first.IsZero() || e.Time.Before(first) {
			first = e.Time
		}
	}
	best, oldest := -1, -1
	for i, end := range ended {
		if oldest < 0 || end.Before(ended[oldest]) {
			oldest = i
		}
		if (first.IsZero() || end.Before(first)) && (best < 0 || end.After(ended[best])) {
			best = i
		}
	}
	if best < 0 {
		return oldest
	}
	return best
}
