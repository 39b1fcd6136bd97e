package worker

import (
	"testing"
	"time"

	"imago/pkg/billing"
)

// TestNextRun by the plans' limits.
func TestNextRun(t *testing.T) {
	t.Parallel()
	at := func(s string) time.Time {
		m, err := time.Parse(time.DateTime, s)
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	for name, c := range map[string]struct {
		cron, zone, last, want string
		plan                   billing.Plan
	}{
		"self-hosted":               {"*/5 * * * *", "UTC", "2026-03-28 01:00:00", "2026-03-28 01:05:00", billing.SelfHosted},
		"as the plan has it":        {"0 * * * *", "UTC", "2026-03-28 01:00:00", "2026-03-28 02:00:00", billing.Standard},
		"more often than the plan":  {"*/15 * * * *", "UTC", "2026-03-28 01:00:00", "2026-03-28 02:00:00", billing.Standard},
		"hourly, on the free one":   {"0 * * * *", "UTC", "2026-03-28 01:00:00", "2026-03-29 01:00:00", billing.Free},
		"nightly, on a shorter day": {"0 4 * * *", "Europe/Amsterdam", "2026-03-28 03:00:00", "2026-03-29 02:00:00", billing.Free},
	} {
		e := billing.Entitled{Plan: c.plan, Limits: c.plan.Limits()}
		if got, err := nextRun(c.cron, c.zone, at(c.last), at(c.last), e); err != nil || !got.Equal(at(c.want)) {
			t.Errorf("%s: %v, %v; want %s", name, got.UTC(), err, c.want)
		}
	}
}
