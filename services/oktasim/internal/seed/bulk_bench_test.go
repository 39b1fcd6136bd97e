package seed

import (
	"os"
	"regexp"
	"strconv"
	"testing"

	"imago/services/oktasim/internal/org"
)

// BenchmarkLargeOrg seeds 100,000 users with 1,000,000 memberships. Besides the time it
// reports the most memory that the process ever had, where Linux says so.
func BenchmarkLargeOrg(b *testing.B) {
	for b.Loop() {
		o := fresh(b, "oie", org.Founded)
		made, err := Fill(o, Plan{Users: 100_000, Groups: 2000, Memberships: 1_000_000, Apps: 300, Rules: 10, Policies: 50, Zones: 50})
		if err != nil {
			b.Fatal(err)
		}
		if n := made.Counts["memberships"]; n < 1_100_000 {
			b.Fatalf("%d memberships", n)
		}
	}
	b.ReportMetric(peakMiB(b), "peak-MiB")
}

// peakMiB is the high-water mark of the resident memory, 0 where it is not to be had.
func peakMiB(b *testing.B) float64 {
	b.Helper()
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		b.Logf("peak memory is not known here: %v", err)
		return 0
	}
	found := regexp.MustCompile(`VmHWM:\s+(\d+) kB`).FindSubmatch(status)
	if found == nil {
		return 0
	}
	kib, err := strconv.ParseFloat(string(found[1]), 64)
	if err != nil {
		b.Fatal(err)
	}
	return kib / 1024
}
