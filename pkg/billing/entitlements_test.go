package billing

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"imago/pkg/problem"
)

// table is the whole table of plans, written out a second time on purpose: a change of
// what is promised has to be made in both places, with open eyes.
const table = `
plan         keeps  every  connections  members
free         7d     24h    1            2
standard     90d    1h     3            10
business     -      15m    25           -
self_hosted  -      -      -            -
`

func TestPlansCellByCell(t *testing.T) {
	t.Parallel()
	number := func(n int) string {
		if n == 0 {
			return "-"
		}
		return fmt.Sprint(n)
	}
	got := "plan keeps every connections members\n"
	for _, p := range append(Plans(), SelfHosted) {
		l := p.Limits()
		got += fmt.Sprintln(p, days(l.Retention), short(l.Every), number(l.Connections), number(l.Members))
	}
	var want strings.Builder
	for line := range strings.Lines(strings.TrimSpace(table) + "\n") {
		want.WriteString(strings.Join(strings.Fields(line), " ") + "\n")
	}
	if diff := cmp.Diff(want.String(), got); diff != "" {
		t.Errorf("plans (-want +got):\n%s", diff)
	}
	if got := Plan("gold").Limits(); got != Free.Limits() {
		t.Errorf("an unknown plan allows %+v", got)
	}
}

func days(d time.Duration) string {
	if d == 0 {
		return "-"
	}
	return fmt.Sprintf("%dd", d/day)
}

func short(d time.Duration) string {
	switch {
	case d == 0:
		return "-"
	case d >= time.Hour:
		return fmt.Sprintf("%dh", d/time.Hour)
	}
	return fmt.Sprintf("%dm", d/time.Minute)
}

var begin = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// on is a moment, in days after begin.
func on(n float64) time.Time { return begin.Add(time.Duration(n * float64(day))) }

// told is what the test's tables say of an Entitled: plan, what is kept, warning and its day.
func told(e Entitled) string {
	s := fmt.Sprintf("%s keeps %s", e.Plan, days(e.Retention))
	if e.Warning != Quiet {
		s += fmt.Sprintf(", %s on %v", e.Warning, e.Until.Sub(begin).Hours()/24)
	}
	return s
}

func TestEntitlements(t *testing.T) {
	t.Parallel()
	tried := Subscription{TrialEnds: on(14)}
	paid := func(p Plan, s State) Subscription {
		return Subscription{ID: "sub", Plan: p, State: s, TrialEnds: on(-100)}
	}
	failed := paid(Business, PastDue)
	failed.FailedSince = on(0)
	unpaid := failed
	unpaid.State = Unpaid
	wished := paid(Standard, Active)
	wished.EndsAt = on(9)
	cancelled := paid(Standard, Cancelled)
	cancelled.Ended = on(0)
	lowered := paid(Standard, Active)
	lowered.Better, lowered.BetterUntil = Business, on(0)
	early := paid(Business, Active)
	early.TrialEnds = on(14)
	lesser := paid(Free, Active)
	lesser.TrialEnds = on(14)
	for name, c := range map[string]struct {
		s    Subscription
		at   float64
		want string
	}{
		"self-hosted":                          {Subscription{Plan: SelfHosted}, 5000, "self_hosted keeps -"},
		"nothing at all":                       {Subscription{}, 0, "free keeps 7d"},
		"trial begins":                         {tried, 0, "standard keeps 90d, trial_ends on 14"},
		"trial's last moment":                  {tried, 13.99, "standard keeps 90d, trial_ends on 14"},
		"trial is over":                        {tried, 14, "free keeps 90d, data_expires on 44"},
		"trial's data is about to expire":      {tried, 43.99, "free keeps 90d, data_expires on 44"},
		"trial's data has expired":             {tried, 44, "free keeps 7d"},
		"paid":                                 {paid(Standard, Active), 0, "standard keeps 90d"},
		"paid for the most":                    {paid(Business, Active), 0, "business keeps -"},
		"paid during the trial":                {early, 1, "business keeps -"},
		"trial of the processor":               {paid(Business, Trialing), 0, "business keeps -"},
		"a trial outranks less":                {lesser, 1, "standard keeps 90d, trial_ends on 14"},
		"payment failed":                       {failed, 0, "business keeps -, payment_failed on 14"},
		"payment failed, last day":             {failed, 13.99, "business keeps -, payment_failed on 14"},
		"payment failed too long ago":          {failed, 14, "free keeps -, limited on 44"},
		"payment failed and data is gone":      {failed, 44, "free keeps 7d, limited on " + never},
		"unpaid is warned of, too":             {unpaid, 1, "business keeps -, payment_failed on 14"},
		"somebody cancelled for later":         {wished, 0, "standard keeps 90d, ends on 9"},
		"cancelled":                            {cancelled, 0, "free keeps 90d, data_expires on 30"},
		"cancelled long ago":                   {cancelled, 30, "free keeps 7d"},
		"downgraded":                           {lowered, 1, "standard keeps -, data_expires on 30"},
		"downgraded long ago":                  {lowered, 30, "standard keeps 90d"},
		"paused":                               {paid(Business, Paused), 0, "free keeps 7d"},
		"a state that nobody knows":            {paid(Business, "odd"), 0, "free keeps 7d"},
		"a plan that nobody knows gives least": {paid("gold", Active), 0, "free keeps 7d"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := told(Entitlements(c.s, on(c.at))); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

// never is the zero moment, in days after begin.
var never = fmt.Sprint(time.Time{}.Sub(begin).Hours() / 24)

// TestBecomes walks through what a processor says one time after another.
func TestBecomes(t *testing.T) {
	t.Parallel()
	sub := func(id string, p Plan, s State) Subscription { return Subscription{ID: id, Plan: p, State: s} }
	type look struct {
		at   float64
		says Subscription
		want string
	}
	for name, looks := range map[string][]look{
		"pays, fails, pays": {
			{1, sub("a", Standard, Active), "standard keeps 90d"},
			{31, sub("a", Standard, PastDue), "standard keeps 90d, payment_failed on 45"},
			{33, sub("a", Standard, PastDue), "standard keeps 90d, payment_failed on 45"},
			{34, sub("a", Standard, Active), "standard keeps 90d"},
			{61, sub("a", Standard, PastDue), "standard keeps 90d, payment_failed on 75"},
		},
		"fails for good": {
			{1, sub("a", Standard, Active), "standard keeps 90d"},
			{31, sub("a", Standard, PastDue), "standard keeps 90d, payment_failed on 45"},
			{50, sub("a", Standard, Unpaid), "free keeps 90d, limited on 75"},
			{51, Subscription{ID: "a", Plan: Standard, State: Cancelled, Ended: on(51)}, "free keeps 90d, data_expires on 81"},
		},
		"a new subscription fails anew": {
			{1, sub("a", Standard, PastDue), "standard keeps 90d, payment_failed on 15"},
			{9, sub("b", Standard, PastDue), "standard keeps 90d, payment_failed on 23"},
		},
		"steps down twice": {
			{1, sub("a", Business, Active), "business keeps -"},
			{100, sub("a", Standard, Active), "standard keeps -, data_expires on 130"},
			{110, Subscription{ID: "a", Plan: Standard, State: Cancelled, Ended: on(110)}, "free keeps -, data_expires on 140"},
			{131, Subscription{ID: "a", Plan: Standard, State: Cancelled, Ended: on(110)}, "free keeps 90d, data_expires on 140"},
		},
		"the customer is gone": {
			{1, sub("a", Business, Active), "business keeps -"},
			{100, Subscription{}, "free keeps -, data_expires on 130"},
		},
		"the same news twice": {
			{1, sub("a", Business, Active), "business keeps -"},
			{100, sub("a", Standard, Active), "standard keeps -, data_expires on 130"},
			{105, sub("a", Standard, Active), "standard keeps -, data_expires on 130"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := Subscription{TrialEnds: on(-100)}
			for _, l := range looks {
				s = s.Becomes(l.says, on(l.at))
				if got := told(Entitlements(s, on(l.at))); got != l.want {
					t.Fatalf("on day %v: got %s, want %s", l.at, got, l.want)
				}
			}
		})
	}
}

func TestAllow(t *testing.T) {
	t.Parallel()
	of := func(p Plan) Entitled { return Entitled{Plan: p, Limits: p.Limits()} }
	for name, c := range map[string]struct {
		err        error
		says, hint string // "": allowed
	}{
		"the first connection":        {of(Free).AllowConnection(0), "", ""},
		"a second":                    {of(Free).AllowConnection(1), "the Free plan has 1 connection, and no more", "the Standard plan has room"},
		"many":                        {of(Standard).AllowConnection(3), "the Standard plan has 3 connections", "the Business plan has room"},
		"after a downgrade":           {of(Free).AllowConnection(24), "the Free plan has 1 connection", "the Business plan has room"},
		"more than there is":          {of(Business).AllowConnection(25), "the Business plan has 25 connections", "no plan has more"},
		"one's own installation":      {of(SelfHosted).AllowConnection(1000), "", ""},
		"a third member":              {of(Free).AllowMember(2), "the Free plan has 2 members", "the Standard plan has room"},
		"any number of members":       {of(Business).AllowMember(5000), "", ""},
		"once a day":                  {of(Free).AllowEvery(day), "", ""},
		"each hour":                   {of(Free).AllowEvery(time.Hour), "the Free plan takes a snapshot once a day at most", "the Standard plan has room"},
		"four times an hour":          {of(Standard).AllowEvery(15 * time.Minute), "the Standard plan takes a snapshot once an hour at most", "the Business plan has room"},
		"each minute":                 {of(Business).AllowEvery(time.Minute), "the Business plan takes a snapshot every 15 minutes at most", "no plan has more"},
		"each minute, of one's own":   {of(SelfHosted).AllowEvery(time.Minute), "", ""},
		"no member beyond the tenth":  {of(Standard).AllowMember(10), "the Standard plan has 10 members", "the Business plan has room"},
		"the tenth member is allowed": {of(Standard).AllowMember(9), "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := problem.Of(c.err)
			switch {
			case c.says == "" && c.err != nil:
				t.Errorf("refused: %v", c.err)
			case c.says == "":
			case p == nil || p.Kind != problem.OverLimit || !strings.HasPrefix(p.What, c.says) || !strings.HasPrefix(p.Hint, c.hint):
				t.Errorf("got %v, want %s (%s)", c.err, c.says, c.hint)
			}
		})
	}
}

// A subscription that the processor knows no more has ended, and only once.
func TestWhatIsForgottenHasEnded(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 4, 0, 0, 0, 0, time.UTC)
	active := Subscription{ID: "sub_1", Plan: Business, State: Active}
	gone := active.Becomes(Subscription{}, now)
	if gone.State != Cancelled || gone.Plan != Business || !gone.Ended.Equal(now) {
		t.Errorf("it becomes %+v", gone)
	}
	if later := gone.Becomes(Subscription{}, now.Add(time.Hour)); later.State != Cancelled || !later.Ended.Equal(now) {
		t.Errorf("an hour later it is %+v", later)
	}
	if none := (Subscription{}).Becomes(Subscription{}, now); none.State != None {
		t.Errorf("who had none: %+v", none)
	}
}
