package valid

import (
	"strings"
	"time"

	"github.com/robfig/cron/v3"

	"imago/pkg/problem"
)

// fields are the five of crontab(5); no seconds, no @every.
const fields = cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.Dow

// Schedule checks a cron expression and a time zone and answers when it is due
// first after now. The zone is an IANA name.
func Schedule(cronField, expression, zoneField, zone string, now time.Time) (time.Time, error) {
	if expression == "" {
		return time.Time{}, missing(cronField)
	}
	location, err := Zone(zoneField, zone)
	if err != nil {
		return time.Time{}, err
	}
	schedule, err := cron.NewParser(fields).Parse(expression)
	// The parser would take a zone in front ("TZ=…"), which has a field of its own.
	if err != nil || len(expression) > 200 || strings.Contains(expression, "=") {
		return time.Time{}, problem.InField(cronField, "%q is not a cron expression", clip(expression)).
			WithHint("write five fields: minute hour day month weekday, such as \"0 2 * * *\"")
	}
	next := schedule.Next(now.In(location))
	if next.IsZero() {
		return time.Time{}, problem.InField(cronField, "%q never comes", clip(expression)).
			WithHint("check the day and the month")
	}
	return next, nil
}

// Zone checks the name of a time zone. "Local" is refused: it would mean another
// zone on another machine.
func Zone(field, name string) (*time.Location, error) {
	if name == "" {
		return nil, missing(field)
	}
	location, err := time.LoadLocation(name)
	if err != nil || name == "Local" {
		return nil, problem.InField(field, "there is no time zone %q", clip(name)).WithHint("write an IANA name, such as Europe/Berlin or UTC")
	}
	return location, nil
}
