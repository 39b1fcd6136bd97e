package cli

import (
	"testing"

	imagov1 "imago/proto/imago/v1"
)

// What is printed may be pasted into a shell, and some of it is spelled by whoever can
// write to the directory.
func TestUndo(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ op, key, snapshot, connection, want string }{
		{"delete", "group/00g1", "s1", "", "imago restore plan --snapshot s1 group/00g1"},
		{"update", "policy_rule/00p1/0pr1", "s1", "", "imago restore plan --snapshot s1 policy_rule/00p1/0pr1"},
		{"delete", "group/00g1", "s1", "acme", "imago restore plan --connection acme --snapshot s1 group/00g1"},
		{"delete", "group/00g1", "s1", "Acme, Inc.", "imago restore plan --snapshot s1 group/00g1"},
		{"delete", "group/00g1", "", "", "imago restore plan group/00g1"},
		{"create", "group/00g1", "s1", "", ""},
		{"", "", "", "", ""},
		{"delete", "group/", "s1", "", ""},
		{"delete", "group/$(reboot)", "s1", "", ""},
		{"delete", "group/00g1 --detach", "s1", "", ""},
		{"delete", "--help", "s1", "", ""},
	} {
		p := &program{connection: c.connection}
		got := p.undo(&imagov1.Finding{SnapshotId: c.snapshot, Change: &imagov1.Change{Op: c.op, Key: c.key}})
		if got != c.want {
			t.Errorf("%v: %q", c, got)
		}
	}
}
