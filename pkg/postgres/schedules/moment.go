package schedules

import (
	"math"
	"strings"
	"time"

	"github.com/robfig/cron/v3"

	"imago/pkg/problem"
)

// cronFields are the five of crontab(5).
const cronFields = cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.Dow

// Next is the first moment of a cron expression, in a time zone, after another. Where
// clocks go forward, what falls into the hour that is left out comes at its end; where
// they go back, what names an hour comes once, and what comes every hour comes in both. A
// cron expression or a time zone that cannot be read is a problem of kind Invalid in that
// field; so is "Local", which each machine reads in its own way.
func Next(expression, timeZone string, after time.Time) (time.Time, error) {
	zone, err := time.LoadLocation(timeZone)
	if err != nil || timeZone == "" || timeZone == "Local" {
		return time.Time{}, problem.InField("time_zone", "%q is no time zone", timeZone).WithHint("write it as Europe/Amsterdam, or UTC")
	}
	moments, err := cron.NewParser(cronFields).Parse(expression)
	if err != nil || strings.Contains(expression, "TZ=") {
		return time.Time{}, problem.InField("cron", "%q is not five fields of cron", expression).WithHint("write it as 0 2 * * *").Because(err)
	}
	next := moments.Next(after.In(zone))
	for hourly := strings.HasPrefix(strings.Fields(expression)[1], "*"); !hourly && repeated(next); {
		next = moments.Next(next)
	}
	if skipped, ok := leftOut(moments, after.In(zone)); ok && (next.IsZero() || skipped.Before(next)) {
		return skipped, nil
	}
	if next.IsZero() {
		return next, problem.InField("cron", "%q never comes", expression).WithHint("see whether the month has that day")
	}
	return next, nil
}

// repeated reports whether a clock on the wall showed the same an hour (or less) ago.
func repeated(t time.Time) bool {
	if t.IsZero() {
		return false
	}
	_, now := t.Zone()
	_, before := t.Add(-2 * time.Hour).Zone()
	return before > now && t.Add(-time.Duration(before-now)*time.Second).Format(time.DateTime) == t.Format(time.DateTime)
}

// leftOut finds the schedule's next moment as a clock shows it that nobody put forward,
// if it is one that clocks on the wall leave out.
func leftOut(moments cron.Schedule, after time.Time) (time.Time, bool) {
	name, offset := after.Zone()
	stubborn := moments.Next(after.In(time.FixedZone(name, offset)))
	if stubborn.IsZero() {
		return stubborn, false
	}
	y, m, d := stubborn.Date()
	shown := time.Date(y, m, d, stubborn.Hour(), stubborn.Minute(), 0, 0, after.Location())
	return stubborn.In(after.Location()), shown.Hour() != stubborn.Hour() || shown.Minute() != stubborn.Minute()
}

// runs is enough of a schedule to have seen its least gap: the minutes of an hour come
// again every hour, and the hours of a day every day.
const runs = 100

// Gap is the least time between two snapshots of a schedule, if no clock is changed. Of
// those that are more than a day apart it may give a longer one.
func Gap(expression string, from time.Time) (time.Duration, error) {
	first, err := Next(expression, "UTC", from)
	if err != nil {
		return 0, err
	}
	least, at := time.Duration(math.MaxInt64), first
	for n := 0; n < runs && at.Sub(first) < 48*time.Hour; n++ {
		next, err := Next(expression, "UTC", at)
		if err != nil {
			break // it does not come again in years
		}
		least, at = min(least, next.Sub(at)), next
	}
	return least, nil
}
