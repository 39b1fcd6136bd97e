package drift_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"imago/pkg/drift"
	"imago/pkg/resource"
	"imago/pkg/snapshot"
)

// deletedOf is an org whose group Finance has members and is named by policy rules, and
// was deleted; the rules still name it.
func deletedOf(t *testing.T, rules, members int) *monitor {
	t.Helper()
	lines := []string{`group/00gFinance01 {"type":"OKTA_GROUP","profile":{"name":"Finance"}}`, `policy_access_policy/rstA {"name":"Money","type":"ACCESS_POLICY"}`}
	for i := range rules {
		lines = append(lines, fmt.Sprintf(`policy_access_policy_rule/rstA/rul%03d {"name":"r%d","status":"ACTIVE","conditions":{"people":{"groups":{"include":["00gFinance01"]}}}}`, i, i))
	}
	for i := range members {
		lines = append(lines, fmt.Sprintf(`group_membership/00gFinance01/00u%03d {}`, i))
	}
	m := newMonitor(t, strings.Join(lines, "\n"))
	m.wants, m.slice = m.rules.Wants, 8*time.Second
	m.org.delete(resource.Key{Type: "group", ID: "00gFinance01"})
	return m
}

const financeDeleted = "e1 12:00:01 mallory SUCCESS tx1 group.lifecycle.delete delete group/00gFinance01 +group_membership\n"

// slow makes every reading of a type take its time.
func (m *monitor) slow(s *state, of resource.Type, by time.Duration) {
	s.takes = func(t resource.Type) {
		if t == of {
			m.now = m.now.Add(by)
		}
	}
}

func (m *monitor) must(events string) drift.Observed {
	m.t.Helper()
	seen, err := m.observe(events)
	if err != nil {
		m.t.Fatal(err)
	}
	m.store(seen)
	return seen
}

// TestMembersAreTooMany: who was in the group is for the mail alone, which goes out
// without when counting them takes too long; what is named is read again all the same.
func TestMembersAreTooMany(t *testing.T) {
	t.Parallel()
	m := deletedOf(t, 2, 100)
	m.slow(m.snap, "group_membership", time.Second)
	seen := m.must(financeDeleted)
	if len(seen.Changes) != 1 || !seen.Changes[0].Uncounted || len(seen.Unknown) > 0 {
		t.Fatalf("got %+v, want the deletion, not all counted", seen)
	}
	got := seen.Changes[0].Affected
	if len(got) != 1 || got[0].Type != "policy_access_policy_rule" || got[0].Count != 2 {
		t.Errorf("counted %+v, want the rules and no half of the members", got)
	}
	m.want("the findings", m.sentences(), "The group “Finance” was deleted. mallory@acme.test did it, from 203.0.113.7. It was named by 2 × app sign-in policy rule. What else hung on it was not counted.")
	m.org.reads, m.snap.walks = nil, nil
	if seen = m.must(financeDeleted); !seen.Complete || len(seen.Changes) > 0 {
		t.Errorf("got %+v, want the look to end", seen)
	}
	m.want("read", m.org.reads, "policy_access_policy_rule/rstA/rul000", "policy_access_policy_rule/rstA/rul001")
	if len(m.snap.walks) > 0 {
		t.Errorf("walked %v once more", m.snap.walks)
	}
}

func (m *monitor) sentences() (out []string) {
	for _, f := range m.findings {
		out = append(out, f.Sentence)
	}
	slices.Sort(out)
	return out
}

// TestSlowSnapshotIsToldFirst: what names a deletion is sought by the next look when
// there is no time for it, and the deletion is told before.
func TestSlowSnapshotIsToldFirst(t *testing.T) {
	t.Parallel()
	m := deletedOf(t, 5, 0)
	m.slow(m.snap, "policy_access_policy_rule", 1500*time.Millisecond)
	m.slow(m.org, "group", 2*time.Second)
	seen := m.must(financeDeleted)
	if len(seen.Changes) != 1 || !seen.Changes[0].Uncounted || seen.Complete || len(seen.Unknown) > 0 {
		t.Fatalf("got %+v, want the deletion, and to go on", seen)
	}
	m.org.delete(resource.Key{Type: "policy_access_policy_rule", Parent: "rstA", ID: "rul004"})
	if seen = m.must(financeDeleted); len(m.org.reads) < 2 {
		t.Fatalf("got %+v after %v, want the rules to be read", seen, m.org.reads)
	}
	for range 5 {
		seen = m.must(financeDeleted)
	}
	if !seen.Complete || len(seen.Unknown) > 0 || len(m.findings) != 2 {
		t.Errorf("got %+v and %v; want both deletions, and the end", seen, m.sentences())
	}
}

// TestSnapshotIsTooSlow: not even a snapshot that cannot be walked in time holds the
// monitor up: what it could not look at is unknown, and it goes on.
func TestSnapshotIsTooSlow(t *testing.T) {
	t.Parallel()
	m := deletedOf(t, 20, 20)
	m.slow(m.snap, "policy_access_policy_rule", time.Second)
	m.slow(m.org, "policy_access_policy_rule", 7*time.Second)
	var seen drift.Observed
	looks := 0
	for ; looks < 20 && !seen.Complete; looks++ {
		seen = m.must(financeDeleted)
	}
	want := snapshot.Gap{Type: "policy_access_policy_rule", Reason: snapshot.Truncated, Detail: "what names something that was deleted is too much to be looked at whole"}
	if !seen.Complete || !slices.Contains(seen.Unknown, want) {
		t.Fatalf("after %d looks: %+v; want the end, and the rules unknown", looks, seen)
	}
	if n := len(m.org.reads); n != 8 {
		t.Errorf("%d reads: %v; want the group and the rules that were found, once each", n, m.org.reads)
	}
	if slices.Contains(m.snap.walks, "group_membership") {
		t.Error("what hung on a deletion that was told already was counted")
	}
}

// TestManyDeletions: one walk of the snapshot is for all of them.
func TestManyDeletions(t *testing.T) {
	t.Parallel()
	m := newMonitor(t, `group/00gAAAAAAA1 {"profile":{"name":"A"}}
group/00gBBBBBBB1 {"profile":{"name":"B"}}
group_rule/0prA {"name":"r","status":"ACTIVE","actions":{"assignUserToGroups":{"groupIds":["00gAAAAAAA1","00gBBBBBBB1"]}}}
group_membership/00gAAAAAAA1/00uA {}
group_membership/00gBBBBBBB1/00uA {}
group_membership/00gBBBBBBB1/00uB {}`)
	m.wants = m.rules.Wants
	for _, id := range []string{"00gAAAAAAA1", "00gBBBBBBB1"} {
		m.org.delete(resource.Key{Type: "group", ID: id})
	}
	seen := m.must(`e1 12:00:01 mallory SUCCESS tx1 group.lifecycle.delete delete group/00gAAAAAAA1
e2 12:00:02 mallory SUCCESS tx2 group.lifecycle.delete delete group/00gBBBBBBB1
`)
	var got []string
	for _, c := range seen.Changes {
		for _, a := range c.Affected {
			got = append(got, fmt.Sprintf("%s: %d %s", c.Label, a.Count, a.Type))
		}
	}
	if d := cmp.Diff([]string{"A: 1 group_membership", "A: 1 group_rule", "B: 2 group_membership", "B: 1 group_rule"}, got); d != "" {
		t.Error(d)
	}
	if walked := slices.Compact(slices.Sorted(slices.Values(m.snap.walks))); len(walked) != len(m.snap.walks) {
		t.Errorf("walked %v, want each type once", m.snap.walks)
	}
	m.want("read", m.org.reads, "group/00gAAAAAAA1", "group/00gBBBBBBB1", "group_rule/0prA")
}

// TestReadOnce: what names a deletion and was touched itself is read once, however many
// looks it takes; besides, the order of touched rules is read once a look, and looked up
// in the snapshot once.
func TestReadOnce(t *testing.T) {
	t.Parallel()
	m := deletedOf(t, 6, 6)
	m.slow(m.org, "policy_access_policy_rule", 5*time.Second)
	events := financeDeleted
	for i := range 4 {
		events += fmt.Sprintf("f%d 12:00:02 system SUCCESS tx1 policy.rule.invalidate update policy_access_policy_rule/rstA/rul%03d\n", i, i)
	}
	looks := 0
	for ; looks < 20; looks++ {
		if m.must(events).Complete {
			break
		}
	}
	orders := func(read string) bool { return strings.HasSuffix(read, "/*") }
	if n := len(m.org.reads); n < 8 || n > 7+looks+1 {
		t.Errorf("%d reads in %d looks", n, looks+1)
	}
	m.org.reads = slices.DeleteFunc(slices.Sorted(slices.Values(m.org.reads)), orders)
	if n := len(slices.Compact(slices.Clone(m.org.reads))); looks == 20 || n != 7 || len(m.org.reads) != n {
		t.Errorf("after %d looks read %v; want the group and six rules, once each", looks, m.org.reads)
	}
	if n := len(m.snap.walks); n != 1+len(slices.Compact(slices.Sorted(slices.Values(m.snap.walks)))) {
		t.Errorf("walked %v, want each type once, and the rules once more for their order", m.snap.walks)
	}
}
