package notify_test

import (
	"strings"
	"testing"

	"imago/pkg/account"
	"imago/pkg/notify"
)

// The table of topics, cell by cell: a second copy, on purpose.
func TestTopics(t *testing.T) {
	t.Parallel()
	want := map[notify.Topic]struct{ timings, owner, admin, operator, auditor, viewer string }{
		notify.Drift:    {"now daily never", "now", "now", "now", "never", ""},
		notify.Restores: {"now daily never", "now", "now", "now", "never", ""},
		notify.Backups:  {"now daily never", "now", "now", "now", "never", "never"},
		notify.Billing:  {"now", "now", "now", "", "", ""},
		notify.Updates:  {"now never", "never", "never", "never", "never", "never"},
	}
	if len(want) != len(notify.Topics()) {
		t.Errorf("%d topics", len(notify.Topics()))
	}
	for topic, w := range want {
		var timings []string
		for _, timing := range topic.Timings() {
			timings = append(timings, string(timing))
		}
		if got := strings.Join(timings, " "); got != w.timings {
			t.Errorf("%s may be had %s, want %s", topic, got, w.timings)
		}
		for role, want := range map[account.Role]string{
			account.Owner: w.owner, account.Admin: w.admin, account.Operator: w.operator, account.Auditor: w.auditor, account.Viewer: w.viewer,
		} {
			if got := topic.Default(role); string(got) != want {
				t.Errorf("%s: %s gets %q, want %q", topic, role, got, want)
			}
		}
	}
	if got := notify.Topic("nothing").Default(account.Owner); got != "" || notify.Topic("nothing").Timings() != nil {
		t.Errorf("a topic that does not exist: %q", got)
	}
}

// Who may not open snapshots is never told what is in them.
func TestDirectoryDataIsForThoseWhoMayOpenIt(t *testing.T) {
	t.Parallel()
	for _, topic := range []notify.Topic{notify.Drift, notify.Restores} {
		for _, role := range account.Roles() {
			if topic.Default(role) != "" && !role.May(account.OpenSnapshot) {
				t.Errorf("%s may be told of %s", role, topic)
			}
		}
	}
}
