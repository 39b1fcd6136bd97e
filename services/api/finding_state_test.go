package api

import (
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"
	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"google.golang.org/protobuf/types/known/timestamppb"

	"imago/pkg/account"
	"imago/pkg/postgres/sealed"
	imagov1 "imago/proto/imago/v1"
)

// say sets a finding's state.
func (w *world) say(p *person, m *imagov1.SetFindingStateRequest) *imagov1.Finding {
	w.t.Helper()
	res, err := p.drift.SetFindingState(w.t.Context(), req(m))
	if err != nil {
		w.t.Fatal(err)
	}
	return res.Msg.GetFinding()
}

// saidOf is a finding's history, a line each.
func saidOf(f *imagov1.Finding) (out []string) {
	for _, h := range f.GetHistory() {
		out = append(out, strings.TrimSpace(h.GetState()+" "+h.GetChangedBy()+" "+h.GetReason()))
	}
	return out
}

func TestWhatIsSaidOfAFindingIsKept(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Config{})
	p := w.owner()
	operator := w.member(p, account.Operator)
	c := w.db.Connection(t, p.account)
	id := w.finding(p, c)
	until := timestamppb.New(w.clock.now().Add(48 * time.Hour).Truncate(time.Second))
	w.say(operator, &imagov1.SetFindingStateRequest{FindingId: id, State: "acknowledged"})
	w.say(operator, &imagov1.SetFindingStateRequest{FindingId: id, State: "acknowledged"}) // tells nothing new
	snoozed := w.say(p, &imagov1.SetFindingStateRequest{FindingId: id, State: "snoozed", Reason: "until Payroll has moved", Until: until})
	if !snoozed.GetSnoozedUntil().AsTime().Equal(until.AsTime()) {
		t.Errorf("snoozed until %v, want %v", snoozed.GetSnoozedUntil(), until)
	}
	if n := w.count(`select count(*) from river.river_job where kind = 'end_snooze' and state = 'scheduled' and scheduled_at = $2
		and args ->> 'finding_id' = $1`, id, until.AsTime()); n != 1 {
		t.Errorf("%d jobs end the snooze, want 1", n)
	}
	w.say(p, &imagov1.SetFindingStateRequest{FindingId: id, State: "accepted", Reason: "Finance was merged"})
	reopened := w.say(p, &imagov1.SetFindingStateRequest{FindingId: id, State: "open"})
	want := []string{
		"acknowledged " + operator.email, "snoozed " + p.email + " until Payroll has moved",
		"accepted " + p.email + " Finance was merged", "open " + p.email,
	}
	got, err := p.drift.GetFinding(t.Context(), req(&imagov1.GetFindingRequest{FindingId: id}))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range []*imagov1.Finding{reopened, got.Msg.GetFinding()} {
		if diff := cmp.Diff(want, saidOf(f)); diff != "" || f.GetState() != "open" || f.GetSnoozedUntil() != nil {
			t.Errorf("%s until %v: %s", f.GetState(), f.GetSnoozedUntil(), diff)
		}
	}
	actions := []string{"open_finding", "reopen_finding", "accept_finding", "snooze_finding", "acknowledge_finding"}
	if diff := cmp.Diff(actions, w.activityOf(p)); diff != "" {
		t.Error(diff)
	}
	w.verifyChain(p)
	if n := w.count(`select count(*) from finding_states s where s::text ~ 'Payroll|acme' or encode(sealed, 'escape') ~ 'Payroll|acme'`); n != 0 {
		t.Errorf("%d words tell in the clear who said them, or why", n)
	}
}

func TestFindingsOfOthersStayAsTheyAre(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Config{})
	p, other := w.owner(), w.owner()
	id := w.finding(p, w.db.Connection(t, p.account))
	m := &imagov1.SetFindingStateRequest{FindingId: id, State: "acknowledged"}
	_, err := other.drift.SetFindingState(t.Context(), req(m))
	problemOf(t, err, connect.CodeNotFound)
	for _, role := range []account.Role{account.Auditor, account.Viewer} {
		_, err := w.member(p, role).drift.SetFindingState(t.Context(), req(m))
		problemOf(t, err, connect.CodePermissionDenied)
	}
	if n := w.count(`select count(*) from findings f, finding_states s where f.id = $1 and (f.state <> 'open' or s.finding_id = f.id)`, id); n != 0 {
		t.Error("somebody else's word counts")
	}
}

// some adds findings: rule n, each with a state, a severity, a type and who did it.
func (w *world) some(p *person, c account.ConnectionID) {
	w.t.Helper()
	for _, f := range []struct{ name, state, severity, of, actor string }{
		{"1", "open", "high", "group", "eve@acme.test"}, {"2", "open", "low", "app", "eve@acme.test"},
		{"3", "resolved", "high", "group", "bob@acme.test"}, {"4", "accepted", "critical", "policy", "eve@acme.test"},
	} {
		shut, err := sealed.Finding(c, f.name).Seal(p.ring, map[string]string{"title": f.name})
		if err != nil {
			w.t.Fatal(err)
		}
		w.exec(`insert into findings (id, account_id, connection_id, rule, severity, dedup_key, resource_type, sealed, event_time, state, actors, found_at)
			values ($9, $1, $2, $3::text, $4, $3::text, $5, $6, now(), $7, $8, now() - make_interval(hours => 10 - $3::text::int))`,
			p.account, c, f.name, f.severity, f.of, shut, f.state, []string{sealed.Actor(p.ring, c, f.actor)}, uuid.Must(uuid.NewV7()))
	}
}

func TestFindingsAreFiltered(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Config{})
	p := w.owner()
	c := w.db.Connection(t, p.account)
	w.some(p, c)
	list := func(p *person, m *imagov1.ListFindingsRequest) (got string, err error) {
		m.ConnectionId, m.PageSize = string(c), 1 // each page is asked for by the same filter
		for {
			res, err := p.drift.ListFindings(t.Context(), req(m))
			if err != nil {
				return got, err
			}
			for _, f := range res.Msg.GetFindings() {
				got += f.GetRule()
			}
			if m.PageToken = res.Msg.GetNextPageToken(); m.PageToken == "" {
				return got, nil
			}
		}
	}
	ago := func(h int) *timestamppb.Timestamp {
		return timestamppb.New(time.Now().Add(-time.Duration(h) * time.Hour))
	}
	for name, f := range map[string]struct {
		ask  *imagov1.ListFindingsRequest
		want string
	}{
		"all, newest first":  {&imagov1.ListFindingsRequest{}, "4321"},
		"states":             {&imagov1.ListFindingsRequest{States: []string{"open", "accepted"}}, "421"},
		"severities":         {&imagov1.ListFindingsRequest{Severities: []string{"high", "low"}}, "321"},
		"types":              {&imagov1.ListFindingsRequest{Types: []string{"group"}}, "31"},
		"an actor":           {&imagov1.ListFindingsRequest{Actor: "Eve@Acme.test"}, "421"},
		"a part of an actor": {&imagov1.ListFindingsRequest{Actor: "eve"}, ""},
		"since":              {&imagov1.ListFindingsRequest{Since: ago(8)}, "43"},
		"until":              {&imagov1.ListFindingsRequest{Until: ago(8)}, "21"},
		"a while":            {&imagov1.ListFindingsRequest{Since: ago(9), Until: ago(8)}, "2"},
		"all of it":          {&imagov1.ListFindingsRequest{States: []string{"open"}, Severities: []string{"high"}, Types: []string{"group"}, Actor: "eve@acme.test", Since: ago(24)}, "1"},
	} {
		if got, err := list(p, f.ask); err != nil || got != f.want {
			t.Errorf("%s: %q (%v), want %q", name, got, err, f.want)
		}
	}
	viewer := w.member(p, account.Viewer)
	if got, err := list(viewer, &imagov1.ListFindingsRequest{States: []string{"open"}}); err != nil || got != "21" {
		t.Errorf("a viewer: %q (%v)", got, err)
	}
	_, err := list(viewer, &imagov1.ListFindingsRequest{Actor: "eve@acme.test"})
	problemOf(t, err, connect.CodePermissionDenied)
}
