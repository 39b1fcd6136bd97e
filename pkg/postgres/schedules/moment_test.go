package schedules

import (
	"testing"
	"time"

	"imago/pkg/problem"
)

func TestScheduleNext(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		cron, zone, after string
		want              []string
	}{
		"nightly": {"0 2 * * *", "UTC", "2026-03-01T02:00:00Z",
			[]string{"2026-03-02T02:00:00Z", "2026-03-03T02:00:00Z"}},
		"in a zone": {"0 2 * * *", "Asia/Kolkata", "2026-03-01T00:00:00Z",
			[]string{"2026-03-01T20:30:00Z", "2026-03-02T20:30:00Z"}},
		"in the hour that is left out": {"30 2 * * *", "Europe/Amsterdam", "2026-03-28T12:00:00Z",
			[]string{"2026-03-29T01:30:00Z", "2026-03-30T00:30:00Z"}},
		"hourly over the hour that is left out": {"30 * * * *", "Europe/Amsterdam", "2026-03-29T00:00:00Z",
			[]string{"2026-03-29T00:30:00Z", "2026-03-29T01:30:00Z", "2026-03-29T02:30:00Z"}},
		"in the hour that comes twice": {"30 2 * * *", "Europe/Amsterdam", "2026-10-24T12:00:00Z",
			[]string{"2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"}},
		"hourly over the hour that comes twice": {"30 * * * *", "Europe/Amsterdam", "2026-10-25T00:00:00Z",
			[]string{"2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z", "2026-10-25T02:30:00Z"}},
		"where clocks go by half an hour": {"45 1 * * *", "Australia/Lord_Howe", "2026-04-03T16:00:00Z",
			[]string{"2026-04-04T14:45:00Z", "2026-04-05T15:15:00Z"}},
		"weekly": {"0 0 * * 1", "America/New_York", "2026-03-01T00:00:00Z",
			[]string{"2026-03-02T05:00:00Z", "2026-03-09T04:00:00Z"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			at, err := time.Parse(time.RFC3339, test.after)
			if err != nil {
				t.Fatal(err)
			}
			for _, want := range test.want {
				if at, err = Next(test.cron, test.zone, at); err != nil {
					t.Fatal(err)
				}
				if got := at.UTC().Format(time.RFC3339); got != want {
					t.Fatalf("got %s, want %s", got, want)
				}
			}
		})
	}
}

func TestScheduleNextRefuses(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ cron, zone, field string }{
		{"", "UTC", "cron"}, {"0 2 * *", "UTC", "cron"}, {"@every 1s", "UTC", "cron"}, {"0 0 30 2 *", "UTC", "cron"},
		{"TZ=UTC 0 2 * * *", "UTC", "cron"}, {"0 2 * * *", "", "time_zone"}, {"0 2 * * *", "Mars/Base", "time_zone"},
		{"0 2 * * *", "Local", "time_zone"},
	} {
		_, err := Next(test.cron, test.zone, time.Now())
		if !problem.Is(err, problem.Invalid) || problem.Of(err).Field != test.field {
			t.Errorf("%q in %q: %v, want a problem in field %s", test.cron, test.zone, err, test.field)
		}
	}
}

func TestGap(t *testing.T) {
	t.Parallel()
	from := time.Date(2026, 3, 28, 23, 30, 0, 0, time.UTC)
	for cron, want := range map[string]time.Duration{
		"* * * * *": time.Minute, "*/15 * * * *": 15 * time.Minute, "0,50 * * * *": 10 * time.Minute, "5 * * * *": time.Hour,
		"0 2 * * *": 24 * time.Hour, "0 0,23 * * *": time.Hour, "0,59 0,23 * * *": time.Minute, "0 3 * * 1": 7 * 24 * time.Hour,
		"0,1 2 29 2 *": time.Minute,
	} {
		if got, err := Gap(cron, from); err != nil || got != want {
			t.Errorf("%s: %v and %v, want %v", cron, got, err, want)
		}
	}
	if _, err := Gap("0 0 30 2 *", from); !problem.Is(err, problem.Invalid) {
		t.Errorf("a schedule that never comes: %v", err)
	}
}
