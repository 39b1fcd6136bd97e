package drift_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"imago/pkg/diff"
	"imago/pkg/drift"
	"imago/pkg/provider"
	"imago/pkg/resource"
	"imago/pkg/snapshot"
)

// monitor looks at an org again and again, as the service does.
type monitor struct {
	t        *testing.T
	snap     *state
	earlier  drift.Snapshot // nil: no doubt about snap
	org      *state
	seen     memory
	now      time.Time
	rules    *drift.Rules
	wants    func(resource.Type) bool
	slice    time.Duration            // of each look; zero: without end
	findings map[string]drift.Finding // by DedupKey, as the table holds them
}

func newMonitor(t *testing.T, before string) *monitor {
	return &monitor{t: t, snap: readState(t, before), org: readState(t, before), seen: memory{}, now: noon, rules: standard(t), findings: map[string]drift.Finding{}}
}

func (m *monitor) observe(events string) (drift.Observed, error) {
	m.t.Helper()
	m.now = m.now.Add(time.Minute)
	var until time.Time
	if m.slice > 0 {
		until = m.now.Add(m.slice)
	}
	return drift.Observe(m.t.Context(), drift.Input{Catalog: catalog, Reader: m.org, Snapshot: m.snap, Earlier: m.earlier, Seen: m.seen,
		Wants: m.wants, ParentHas: m.rules.ParentHas, Now: func() time.Time { return m.now }, Until: until}, readEvents(m.t, events))
}

// look observes, stores what was found, and gives the changes as lines.
func (m *monitor) look(events string) (out []string) {
	m.t.Helper()
	seen, err := m.observe(events)
	if err != nil || !seen.Complete {
		m.t.Fatalf("observe: %v, complete %v", err, seen.Complete)
	}
	m.store(seen)
	for _, o := range seen.Changes {
		out = append(out, string(o.Change.Op)+" "+o.Change.Key.String()+" by "+attributed(o.Attribution))
	}
	return out
}

func (m *monitor) store(o drift.Observed) {
	m.t.Helper()
	found, err := m.rules.Evaluate(drift.Facts{Catalog: catalog, Snapshot: "snap1"}, o.Changes)
	if err != nil {
		m.t.Fatal(err)
	}
	for _, f := range found {
		m.findings[f.DedupKey()] = f
	}
	m.seen.keep(o.Sightings)
}

func (m *monitor) want(what string, got []string, want ...string) {
	m.t.Helper()
	if d := cmp.Diff(want, got); d != "" {
		m.t.Errorf("%s (-want +got):\n%s", what, d)
	}
}

const zone = `network_zone/nzoA {"name":"Office","usage":"POLICY","status":"ACTIVE","gateways":[{"type":"CIDR","value":"10.1.0.0/24"}]}`

// TestOneChangeOneFinding: a change is told once, taking it back is told, and doing
// it again is another finding.
func TestOneChangeOneFinding(t *testing.T) {
	t.Parallel()
	m := newMonitor(t, zone)
	wide := strings.Replace(zone, "/24", "/8", 1)
	first := "e1 12:00:01 mallory SUCCESS tx1 zone.update update network_zone/nzoA\n"
	m.org.put(t, wide)
	m.want("the change", m.look(first), "update network_zone/nzoA by id-mallory e1")
	m.want("the same events again", m.look(first))
	second := "e2 12:01:01 ada SUCCESS tx2 zone.update update network_zone/nzoA\n"
	m.want("an event that changed nothing more", m.look(second))
	m.org.put(t, zone)
	m.want("taking it back", m.look("e3 12:02:01 ada SUCCESS tx3 zone.update update network_zone/nzoA\n"), "update network_zone/nzoA by id-ada e3")
	m.org.put(t, wide)
	m.want("doing it again", m.look("e4 12:03:01 mallory SUCCESS tx4 zone.update update network_zone/nzoA\n"), "update network_zone/nzoA by id-mallory e4")
	if len(m.findings) != 2 {
		t.Errorf("got %d findings, want 2: %v", len(m.findings), m.findings)
	}
}

// TestEachTheirOwn: what somebody changed before is not told of who came later.
func TestEachTheirOwn(t *testing.T) {
	t.Parallel()
	m := newMonitor(t, zone)
	m.org.put(t, strings.Replace(zone, "Office", "Bureau", 1))
	m.want("the name", m.look("e1 12:00:01 ada SUCCESS tx1 zone.update update network_zone/nzoA\n"), "update network_zone/nzoA by id-ada e1")
	m.org.put(t, strings.Replace(strings.Replace(zone, "Office", "Bureau", 1), "/24", "/8", 1))
	seen, err := m.observe("e2 12:01:01 mallory SUCCESS tx2 zone.update update network_zone/nzoA\n")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range seen.Changes[0].Change.Fields {
		if f.Path == "name" {
			t.Error("ada's new name is told of mallory")
		}
	}
}

// TestNewerSnapshot: sightings from before the snapshot say nothing any more.
func TestNewerSnapshot(t *testing.T) {
	t.Parallel()
	m := newMonitor(t, zone)
	k, _ := resource.ParseKey("network_zone/nzoA")
	m.seen[k] = drift.Sighting{Key: k, Body: []byte(`{"old":true}`), At: noon.Add(-2 * time.Hour)}
	m.want("nothing changed since the snapshot", m.look("e1 12:00:01 ada SUCCESS tx1 zone.update update network_zone/nzoA\n"))
}

// TestUnreadableIsNoDeletion: what cannot be read is unknown.
func TestUnreadableIsNoDeletion(t *testing.T) {
	t.Parallel()
	m := newMonitor(t, zone)
	k, _ := resource.ParseKey("network_zone/nzoA")
	m.org.delete(k)
	m.org.broken[k] = &provider.Unreadable{Gap: snapshot.Gap{Type: "network_zone", Reason: snapshot.Forbidden, Detail: "grant the scope"}}
	seen, err := m.observe("e1 12:00:01 ada SUCCESS tx1 zone.update update network_zone/nzoA\n")
	want := []snapshot.Gap{{Type: "network_zone", Reason: snapshot.Forbidden, Detail: "grant the scope"}}
	if err != nil || len(seen.Changes) > 0 || cmp.Diff(want, seen.Unknown) != "" || len(seen.Sightings) > 0 {
		t.Errorf("got %+v, %v; want an unknown place and nothing else", seen, err)
	}
}

// TestGapInTheSnapshot: what the snapshot does not know is no creation, unless the
// log says that it was created.
func TestGapInTheSnapshot(t *testing.T) {
	t.Parallel()
	m := newMonitor(t, "")
	m.snap.gaps = []snapshot.Gap{{Type: "network_zone"}, {Type: "user_role"}}
	m.org.put(t, zone)
	m.org.put(t, strings.ReplaceAll(zone, "nzoA", "nzoB"))
	m.org.put(t, `user_role/00uAda/ra1 {"type":"SUPER_ADMIN"}`)
	seen, err := m.observe(`e1 12:00:01 ada SUCCESS tx1 zone.update update network_zone/nzoA
e2 12:00:02 ada SUCCESS tx2 zone.create create network_zone/nzoB
e3 12:00:03 ada SUCCESS tx3 user.account.privilege.grant create user_role/00uAda/
`)
	if err != nil || len(seen.Changes) != 2 || seen.Changes[0].Change.Key.ID != "nzoB" || seen.Changes[0].Change.Op != diff.Create {
		t.Fatalf("got %+v, %v; want the zone's creation, and what the log tells of the role", seen.Changes, err)
	}
	if role := seen.Changes[1]; !role.LogOnly || role.Change.After != nil {
		t.Errorf("got %+v, want it from the log alone: which of the roles is new nobody knows", role)
	}
	if len(seen.Unknown) != 2 {
		t.Errorf("got unknown %v, want the zone and the roles", seen.Unknown)
	}
	m.store(seen)
	m.org.put(t, `user_role/00uAda/ra2 {"type":"ORG_ADMIN"}`)
	m.want("now the list is known", m.look("e4 12:00:04 bob SUCCESS tx4 user.account.privilege.grant create user_role/00uAda/\n"),
		"create user_role/00uAda/ra2 by id-bob e4")
}

// TestRolesComeAndGo: what came since the snapshot and goes again is told, too.
func TestRolesComeAndGo(t *testing.T) {
	t.Parallel()
	m := newMonitor(t, `user/00uAda {"profile":{"login":"ada"}}`)
	m.org.put(t, `user_role/00uAda/ra1 {"type":"SUPER_ADMIN"}`)
	m.want("granted", m.look("e1 12:00:01 mallory SUCCESS tx1 user.account.privilege.grant create user_role/00uAda/\n"),
		"create user_role/00uAda/ra1 by id-mallory e1")
	k, _ := resource.ParseKey("user_role/00uAda/ra1")
	m.org.delete(k)
	m.want("revoked", m.look("e2 12:01:01 bob SUCCESS tx2 user.account.privilege.revoke delete user_role/00uAda/\n"),
		"delete user_role/00uAda/ra1 by id-bob e2")
	m.org.put(t, `user_role/00uAda/ra1 {"type":"SUPER_ADMIN"}`)
	m.want("granted again", m.look("e3 12:02:01 mallory SUCCESS tx3 user.account.privilege.grant create user_role/00uAda/\n"),
		"create user_role/00uAda/ra1 by id-mallory e3")
	if len(m.findings) != 2 {
		t.Errorf("got %d findings, want 2", len(m.findings))
	}
}

// TestInterrupted: a look that must wait keeps what it found, and goes on with the
// same events without telling anything twice, nor losing anything.
func TestInterrupted(t *testing.T) {
	t.Parallel()
	m := newMonitor(t, zone+"\n"+strings.ReplaceAll(zone, "nzoA", "nzoB"))
	m.org.put(t, strings.Replace(zone, "/24", "/8", 1))
	m.org.put(t, strings.ReplaceAll(strings.Replace(zone, "/24", "/8", 1), "nzoA", "nzoB"))
	events := `e1 12:00:01 ada SUCCESS tx1 zone.update update network_zone/nzoA
e2 12:00:02 bob SUCCESS tx2 zone.update update network_zone/nzoB
`
	b, _ := resource.ParseKey("network_zone/nzoB")
	later := noon.Add(time.Hour)
	m.org.broken[b] = &provider.Wait{Until: later}
	seen, err := m.observe(events)
	if err != nil || seen.Complete || !seen.Wait.Equal(later) || len(seen.Changes) != 1 {
		t.Fatalf("got %+v, %v; want one change, and to wait", seen, err)
	}
	m.store(seen)
	delete(m.org.broken, b)
	m.org.reads = nil
	m.want("the rest", m.look(events), "update network_zone/nzoB by id-bob e2")
	if len(m.org.reads) != 1 {
		t.Errorf("read %v, want only what was not looked at", m.org.reads)
	}
}

func TestFailureKeepsWhatWasFound(t *testing.T) {
	t.Parallel()
	m := newMonitor(t, zone)
	m.org.put(t, strings.Replace(zone, "/24", "/8", 1))
	b, _ := resource.ParseKey("network_zone/nzoB")
	cut := errors.New("cut")
	m.org.broken[b] = cut
	seen, err := m.observe("e1 12:00:01 ada SUCCESS tx1 zone.update update network_zone/nzoA\ne2 12:00:02 bob SUCCESS tx2 zone.update update network_zone/nzoB\n")
	if !errors.Is(err, cut) || seen.Complete || len(seen.Changes) != 1 {
		t.Errorf("got %+v, %v; want the first change, and the error", seen, err)
	}
}

func TestUntil(t *testing.T) {
	t.Parallel()
	m := newMonitor(t, zone)
	seen, err := drift.Observe(t.Context(), drift.Input{Catalog: catalog, Reader: m.org, Snapshot: m.snap, Now: fixed, Until: noon},
		readEvents(t, "e1 12:00:01 ada SUCCESS tx1 zone.update update network_zone/nzoA\n"))
	if err != nil || seen.Complete || len(m.org.reads) > 0 {
		t.Errorf("got %+v, %v after %v; want nothing read", seen, err, m.org.reads)
	}
}

// TestCreatedThenDeletedBeforeSeen and other ways in which the log is thinner than
// the key of a resource.
func TestThinLogs(t *testing.T) {
	t.Parallel()
	rule := `policy_access_policy_rule/rstMoney/rulTwo {"name":"Two","status":"ACTIVE"}`
	m := newMonitor(t, "policy_access_policy/rstMoney {\"name\":\"Money\"}\n"+rule)
	m.org.put(t, strings.Replace(rule, "ACTIVE", "INACTIVE", 1))
	m.want("a rule without its policy", m.look("e1 12:00:01 ada SUCCESS tx1 policy.rule.deactivate update policy_access_policy_rule/rulTwo\n"),
		"update policy_access_policy_rule/rstMoney/rulTwo by id-ada e1")
	seen, err := m.observe("e2 12:00:02 ada SUCCESS tx2 policy.rule.add create policy_access_policy_rule/rulNew\n")
	if err != nil || len(seen.Unknown) != 1 || len(seen.Changes) != 0 {
		t.Errorf("a new rule of no known policy: got %+v, %v; want it unknown", seen, err)
	}
}

func TestBase(t *testing.T) {
	t.Parallel()
	at := func(minutes ...int) (out []time.Time) {
		for _, m := range minutes {
			out = append(out, noon.Add(time.Duration(m)*time.Minute))
		}
		return out
	}
	event := func(minutes ...int) (out []provider.Event) {
		for _, e := range at(minutes...) {
			out = append(out, provider.Event{Time: e})
		}
		return out
	}
	tests := map[string]struct {
		ended  []time.Time
		events []provider.Event
		want   int
	}{
		"no snapshots":               {nil, event(1), -1},
		"the newest before":          {at(-60, -30, -90), event(0, 5), 1},
		"one ended after the event":  {at(-60, 3), event(1), 0},
		"by the first of the events": {at(-60, 3), event(5, 1), 0},
		"none ended before":          {at(10, 5), event(1), 1},
		"no events":                  {at(-60, -30), nil, 1},
	}
	for name, tt := range tests {
		if got := drift.Base(tt.ended, tt.events); got != tt.want {
			t.Errorf("%s: got %d, want %d", name, got, tt.want)
		}
	}
}

// TestReferrersAfterAWait: a look that had to wait after it told of a deletion still
// looks at what named it, and knows who did it.
func TestReferrersAfterAWait(t *testing.T) {
	t.Parallel()
	const rule = `policy_access_policy_rule/rstA/rulA {"name":"Finance","status":"ACTIVE","conditions":{"people":{"groups":{"include":%s}}},"actions":{"appSignOn":{"access":"ALLOW"}}}`
	m := newMonitor(t, `group/00gFinance01 {"type":"OKTA_GROUP","profile":{"name":"Finance"}}
policy_access_policy/rstA {"name":"Money","type":"ACCESS_POLICY"}
`+fmt.Sprintf(rule, `["00gFinance01"]`))
	m.org.delete(resource.Key{Type: "group", ID: "00gFinance01"})
	m.org.put(t, fmt.Sprintf(rule, `[]`))
	k := resource.Key{Type: "policy_access_policy_rule", Parent: "rstA", ID: "rulA"}
	m.org.broken[k] = &provider.Wait{Until: noon}
	const events = "e1 12:00:01 mallory SUCCESS tx1 group.lifecycle.delete delete group/00gFinance01\n"
	first, err := m.observe(events)
	if err != nil || first.Complete || len(first.Changes) != 1 {
		t.Fatalf("got %+v, %v; want the deletion, and to wait", first, err)
	}
	m.store(first)
	delete(m.org.broken, k)
	m.want("after the wait", m.look(events), "update policy_access_policy_rule/rstA/rulA by id-mallory e1 through group/00gFinance01")
	m.want("once more", m.look(events))
}

// TestVagueDeletion: an event that does not tell the kind of policy gives one
// deletion, not one for each kind.
func TestVagueDeletion(t *testing.T) {
	t.Parallel()
	m := newMonitor(t, `policy_password/00pA {"name":"Strict","type":"PASSWORD"}`)
	m.org.delete(resource.Key{Type: "policy_password", ID: "00pA"})
	m.want("deleted", m.look("e1 12:00:01 mallory SUCCESS tx1 policy.lifecycle.delete delete policy_okta_sign_on/00pA; delete policy_password/00pA; delete policy_access_policy/00pA\n"),
		"delete policy_password/00pA by id-mallory e1")
}

// TestGrantAndRevoke: of the two who touched one list, each did their own.
func TestGrantAndRevoke(t *testing.T) {
	t.Parallel()
	m := newMonitor(t, `user/00uAda {"profile":{"login":"ada@acme.test"}}
user_role/00uAda/ra1old {"type":"APP_ADMIN","assignmentType":"USER"}`)
	m.org.delete(resource.Key{Type: "user_role", Parent: "00uAda", ID: "ra1old"})
	m.org.put(t, `user_role/00uAda/ra1new {"type":"SUPER_ADMIN","assignmentType":"USER"}`)
	m.want("both", m.look(`e1 12:00:01 bob SUCCESS tx1 user.account.privilege.revoke delete user_role/00uAda/
e2 12:00:02 mallory SUCCESS tx2 user.account.privilege.grant create user_role/00uAda/
`), "create user_role/00uAda/ra1new by id-mallory e2", "delete user_role/00uAda/ra1old by id-bob e1")
}

// TestTooManyReferrers: those that were not looked at are said to be unknown.
func TestTooManyReferrers(t *testing.T) {
	t.Parallel()
	lines := []string{`group/00gFinance01 {"type":"OKTA_GROUP","profile":{"name":"Finance"}}`}
	for i := range 201 {
		lines = append(lines, fmt.Sprintf(`group_rule/0pr%05d {"name":"r%d","actions":{"assignUserToGroups":{"groupIds":["00gFinance01"]}}}`, i, i))
	}
	m := newMonitor(t, strings.Join(lines, "\n"))
	m.org.delete(resource.Key{Type: "group", ID: "00gFinance01"})
	seen, err := m.observe("e1 12:00:01 mallory SUCCESS tx1 group.lifecycle.delete delete group/00gFinance01\n")
	if err != nil || len(seen.Unknown) != 1 || seen.Unknown[0].Type != "group_rule" || seen.Unknown[0].Reason != snapshot.Truncated {
		t.Errorf("got unknown %v, %v; want to hear of the rules", seen.Unknown, err)
	}
}

// TestJoinedAnAdminGroup: that a group has a role is known from an earlier look, too, and
// that it has none any more; one who joins is told of once.
func TestJoinedAnAdminGroup(t *testing.T) {
	t.Parallel()
	m := newMonitor(t, `group/00gIT {"profile":{"name":"IT"}}
user/00uAda {"profile":{"login":"ada@acme.test"}}`)
	m.wants = m.rules.Wants
	join := func(id string) string {
		return id + " 12:00:02 mallory SUCCESS t" + id + " group.user_membership.add create group_membership/00gIT/00uAda\n"
	}
	m.want("of no admins", m.look(join("e1")))
	m.org.put(t, `group_role/00gIT/gra1 {"type":"ORG_ADMIN"}`)
	m.want("a role", m.look("e2 12:00:03 ada SUCCESS tx2 group.privilege.grant create group_role/00gIT/\n"), "create group_role/00gIT/gra1 by id-ada e2")
	m.want("of admins", m.look(join("e3")), "create group_membership/00gIT/00uAda by id-mallory e3")
	findings := len(m.findings)
	m.want("once more", m.look(join("e3")), "create group_membership/00gIT/00uAda by id-mallory e3")
	if len(m.findings) != findings {
		t.Errorf("got %d findings, want %d: one for the event", len(m.findings), findings)
	}
	m.org.delete(resource.Key{Type: "group_role", Parent: "00gIT", ID: "gra1"})
	m.want("no role", m.look("e4 12:00:05 ada SUCCESS tx4 group.privilege.revoke delete group_role/00gIT/\n"), "delete group_role/00gIT/gra1 by id-ada e4")
	m.want("of no admins any more", m.look(join("e5")))
	if len(m.org.reads) != 2 {
		t.Errorf("read %v, want the roles twice and no membership", m.org.reads)
	}
}

// TestFleetingOnce: what came and went is told by the look that hears of it, and not by
// one that is given the same events again beside new ones.
func TestFleetingOnce(t *testing.T) {
	t.Parallel()
	m := newMonitor(t, zone+"\n"+`user/00uAda {"profile":{"login":"ada"}}`)
	const zoneTwice = `e1 12:00:01 mallory SUCCESS tx1 zone.update update network_zone/nzoA
e2 12:00:02 mallory SUCCESS tx2 zone.update update network_zone/nzoA
`
	const admin = `e3 12:00:03 mallory SUCCESS tx3 user.account.privilege.grant create user_role/00uAda/ says Grant: Super Administrator
e4 12:00:04 mallory SUCCESS tx4 user.account.privilege.revoke delete user_role/00uAda/
`
	m.want("heard of", m.look(zoneTwice+admin), "update network_zone/nzoA by id-mallory e2", "create user_role/00uAda/ by id-mallory e3")
	m.want("saved once more, asked for in vain", m.look(zoneTwice+admin+`e5 12:00:05 ada SUCCESS tx5 zone.update update network_zone/nzoA
e6 12:00:06 ada SUCCESS tx6 user.account.privilege.revoke delete user_role/00uAda/
`))
	m.want("again", m.look(`e7 12:00:07 bob SUCCESS tx7 zone.update update network_zone/nzoA
e8 12:00:08 bob SUCCESS tx8 zone.update update network_zone/nzoA
`), "update network_zone/nzoA by id-bob e8")
	if len(m.findings) != 3 {
		t.Errorf("got %d findings, want 3", len(m.findings))
	}
}

// TestInTheSnapshotAlready: where clocks leave it in doubt whether the snapshot was taken
// before the events, what it holds already is compared with the one before; what an
// earlier look told then is not told again.
func TestInTheSnapshotAlready(t *testing.T) {
	t.Parallel()
	other := strings.ReplaceAll(zone, "nzoA", "nzoB")
	before := zone + "\n" + other + `
group/00gGone0001 {"profile":{"name":"Gone"}}
user/00uAda {"profile":{"login":"ada"}}
user_role/00uAda/ra1 {"type":"ORG_ADMIN"}`
	after := strings.Replace(zone, "/24", "/8", 1) + "\n" + strings.Replace(other, "/24", "/8", 1) + `
user/00uAda {"profile":{"login":"ada"}}
user_role/00uAda/ra2 {"type":"SUPER_ADMIN"}`
	events := `e1 12:00:01 mallory SUCCESS tx1 zone.update update network_zone/nzoA
e2 12:00:02 mallory SUCCESS tx2 group.lifecycle.delete delete group/00gGone0001
e3 12:00:03 mallory SUCCESS tx3 user.account.privilege.revoke delete user_role/00uAda/
e4 12:00:04 mallory SUCCESS tx4 user.account.privilege.grant create user_role/00uAda/
e5 12:00:05 ada SUCCESS tx5 zone.update update network_zone/nzoB
`
	m := newMonitor(t, after)
	b, _ := resource.ParseKey("network_zone/nzoB")
	m.seen[b] = drift.Sighting{Key: b, Body: m.org.body(t, b), At: noon.Add(-time.Hour - time.Minute), Event: "e0"}
	earlier := readState(t, before)
	earlier.id, earlier.age = "snap0", time.Hour
	m.earlier = earlier
	m.want("what came before", m.look(events), "update network_zone/nzoA by id-mallory e1", "delete group/00gGone0001 by id-mallory e2",
		"delete user_role/00uAda/ra1 by id-mallory e3", "create user_role/00uAda/ra2 by id-mallory e4")
	for _, f := range m.findings {
		if f.Snapshot != "snap0" {
			t.Errorf("%s: finding of snapshot %q, want the one with which it was compared", f.Rule, f.Snapshot)
		}
	}
	m.want("once more", m.look(events))
}

// signInRule is a rule of an app sign-in policy, lax or not.
func signInRule(name string, place int, mode string) string {
	return fmt.Sprintf(`policy_access_policy_rule/rstMoney/rul%s {"name":"%s","priority":%d,"status":"ACTIVE","actions":{"appSignOn":{"access":"ALLOW","verificationMethod":{"factorMode":"%s"}}}}`+"\n",
		name, name, place, mode)
}

// rulesOf are the rules of the findings that the log's one event led to.
func (m *monitor) rulesOf(event string) (out []string) {
	for _, f := range m.findings {
		if f.Attribution.Event != nil && f.Attribution.Event.ID == event {
			out = append(out, f.Rule)
		}
	}
	return out
}

// TestCountedOn: Okta counts the sign-in rules on that stand behind an updated one. Who
// then changes one of those has moved nothing; who moves a rule has.
func TestCountedOn(t *testing.T) {
	t.Parallel()
	m := newMonitor(t, signInRule("A", 1, "1FA")+signInRule("B", 2, "2FA")+signInRule("C", 3, "1FA"))
	m.org.put(t, signInRule("B", 3, "2FA"))
	m.org.put(t, signInRule("C", 4, "1FA"))
	m.want("the first is saved as it is", m.look("e1 12:00:01 ada SUCCESS tx1 policy.rule.update update policy_access_policy_rule/rstMoney/rulA\n"))
	m.want("so is the second", m.look("e2 12:01:01 bob SUCCESS tx2 policy.rule.update update policy_access_policy_rule/rstMoney/rulB\n"))
	m.org.put(t, strings.Replace(signInRule("B", 3, "2FA"), `"B"`, `"Second"`, 1))
	m.look("e3 12:02:01 cid SUCCESS tx3 policy.rule.update update policy_access_policy_rule/rstMoney/rulB\n")
	m.want("a new name", m.rulesOf("e3"))
	m.org.put(t, signInRule("C", 2, "1FA"))
	m.look("e4 12:03:01 mallory SUCCESS tx4 policy.rule.update update policy_access_policy_rule/rstMoney/rulC\n")
	m.want("the lax one before the strict one", m.rulesOf("e4"), "sign_in_order_eased")
	m.org.put(t, strings.Replace(signInRule("B", 4, "2FA"), `"B"`, `"Third"`, 1))
	m.look("e5 12:04:01 dora SUCCESS tx5 policy.rule.update update policy_access_policy_rule/rstMoney/rulB\n")
	m.want("another name for what was passed", m.rulesOf("e5"))
	if len(m.findings) != 1 {
		t.Errorf("got %d findings, want one", len(m.findings))
	}
}

const ruleUpdate = " policy.rule.update update policy_access_policy_rule/rstMoney/rul"

// moving is a monitor of three rules; to moves the lax C to the top of them.
func moving(t *testing.T) (m *monitor, to func()) {
	m = newMonitor(t, signInRule("A", 1, "2FA")+signInRule("B", 2, "1FA")+signInRule("C", 3, "1FA"))
	return m, func() {
		m.org.put(t, signInRule("C", 1, "1FA"))
		m.org.put(t, signInRule("A", 2, "2FA"))
		m.org.put(t, signInRule("B", 3, "1FA"))
	}
}

// TestMovedBehindOthersBacks: a rule that was moved is told of when its own event comes,
// whatever was looked at before.
func TestMovedBehindOthersBacks(t *testing.T) {
	t.Parallel()
	bob, mallory := "e1 12:00:01 bob SUCCESS tx1"+ruleUpdate+"B\n", "e2 12:00:02 mallory SUCCESS tx2"+ruleUpdate+"C\n"
	t.Run("at once", func(t *testing.T) {
		m, move := moving(t)
		move()
		m.look(mallory)
		m.want("the move", m.rulesOf("e2"), "sign_in_order_eased")
	})
	t.Run("after another's event", func(t *testing.T) {
		m, move := moving(t)
		move()
		m.look(bob)
		m.look(mallory)
		m.want("the move", m.rulesOf("e2"), "sign_in_order_eased")
		m.want("what was saved as it was", m.rulesOf("e1"))
	})
	t.Run("held up in between", func(t *testing.T) {
		m, move := moving(t)
		move()
		c := resource.Key{Type: "policy_access_policy_rule", Parent: "rstMoney", ID: "rulC"}
		m.org.broken[c] = &provider.Wait{Until: noon.Add(time.Hour), Reason: "the org asks to wait"}
		seen, err := m.observe(bob + mallory)
		if err != nil || seen.Complete {
			t.Fatalf("observe: %v, complete %v", err, seen.Complete)
		}
		m.store(seen)
		delete(m.org.broken, c)
		m.look(bob + mallory)
		m.want("the move", m.rulesOf("e2"), "sign_in_order_eased")
	})
	t.Run("while a snapshot was taken", func(t *testing.T) {
		m, move := moving(t)
		before := readState(t, signInRule("A", 1, "2FA")+signInRule("B", 2, "1FA")+signInRule("C", 3, "1FA"))
		before.id, before.age = "snap0", time.Hour
		m.earlier = before
		move()
		m.snap.all = m.org.all
		m.look(mallory)
		m.want("the move", m.rulesOf("e2"), "sign_in_order_eased")
	})
}

// TestMovedToItsOwnNumber: Okta has counted the rules on; a rule that is moved to the
// number that it had, or to a higher one, comes before others nevertheless.
func TestMovedToItsOwnNumber(t *testing.T) {
	t.Parallel()
	for name, to := range map[string][2]int{"the same": {3, 4}, "a higher one": {4, 5}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newMonitor(t, signInRule("A", 1, "2FA")+signInRule("B", 2, "2FA")+signInRule("C", 3, "1FA"))
			m.org.put(t, signInRule("B", to[0], "2FA"))
			m.org.put(t, signInRule("C", to[0]+2, "1FA"))
			m.look("e1 12:00:01 ada SUCCESS tx1" + ruleUpdate + "B\n")
			m.org.put(t, signInRule("C", to[0], "1FA"))
			m.org.put(t, signInRule("B", to[1], "2FA"))
			m.look("e2 12:00:02 mallory SUCCESS tx2" + ruleUpdate + "C\n")
			m.want("the move", m.rulesOf("e2"), "sign_in_order_eased")
			m.want("the saving", m.rulesOf("e1"))
		})
	}
}
