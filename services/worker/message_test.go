package worker_test

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"imago/pkg/diff"
	"imago/pkg/drift"
	"imago/pkg/job"
	"imago/pkg/notify/notifytest"
	"imago/pkg/postgres"
	"imago/pkg/postgres/findings"
	"imago/pkg/postgres/messages"
	"imago/pkg/postgres/sealed"
	"imago/pkg/postgres/worldtest"
	"imago/pkg/provider"
	"imago/pkg/resource"
	"imago/services/worker"
)

// Findings of one look come in one mail to each member who gets alerts, with all that a
// person needs to act.
func TestFindingsOfOneLookAreOneMail(t *testing.T) {
	t.Parallel()
	w := worldtest.New(t, worldtest.Options{})
	w.Base.Member(t, w.Account.ID, "viewer") // gets none
	event := &provider.Event{
		Time: time.Date(2026, 3, 4, 10, 8, 1, 0, time.UTC), Name: "group.lifecycle.delete",
		Actor: provider.Actor{ID: "00u1", Type: "User", Login: "mallory@acme.example"}, Client: provider.Client{IP: "203.0.113.7"},
	}
	store(t, w, drift.Finding{
		Rule: "group_deleted", Severity: drift.High, Title: "Group deleted", Sentence: "mallory@acme.example deleted the group Finance.", Snapshot: "s-1",
		Observation: drift.Observation{Label: "Finance", Change: diff.Change{Key: resource.Key{Type: "group", ID: "00g1"}, Op: diff.Delete},
			Attribution: drift.Attribution{Event: event}},
	}, drift.Finding{
		Rule: "rule_weakened", Severity: drift.Critical, Title: "Sign-in rule weakened", Sentence: "Somebody lowered a rule.", Snapshot: "s-1",
		Observation: drift.Observation{Label: "Admins", Change: diff.Change{
			Key: resource.Key{Type: "policy_access_policy_rule", Parent: "rst1", ID: "rul1"}, Op: diff.Update,
			Fields: []diff.Field{{Path: "actions.factorMode", Before: json.RawMessage(`"2FA"`), After: json.RawMessage(`"1FA"`), Op: diff.Update}}}},
	})
	work(t, w, worker.Config{PublicURL: "https://imago.example.com"}, deps(t, w))
	ctx, cancel := context.WithTimeout(t.Context(), worldtest.Patience)
	defer cancel()
	mail := w.Mails.Wait(ctx, t, func(m notifytest.Mail) bool { return m.To == w.Account.Email })
	if mail.Subject != "[Imago] critical: Sign-in rule weakened: Admins, and 1 more change" {
		t.Errorf("subject: %s", mail.Subject)
	}
	for _, want := range []string{"Group Finance", "mallory@acme.example (User)", "203.0.113.7", "2026-03-04 10:08:01 UTC",
		"imago restore plan --snapshot s-1 group/00g1", "actions › factorMode", "- 2FA", "+ 1FA", "the org's log names nobody",
		"https://imago.example.com/changes/", "https://imago.example.com/settings"} {
		if !strings.Contains(mail.Text, want) {
			t.Errorf("the mail lacks %q:\n%s", want, mail.Text)
		}
	}
	ticks(t, w, 1)
	if got := w.Mails.Mails(); len(got) != 1 {
		t.Errorf("%d mails arrived", len(got))
	}
}

// What a deletion led to is folded into its finding: a line each, the worst first,
// without telling again who did it, and not once more among what came with it.
func TestWhatFollowedIsFolded(t *testing.T) {
	t.Parallel()
	w := worldtest.New(t, worldtest.Options{})
	gone := resource.Key{Type: "group", ID: "00g1"}
	event := &provider.Event{ID: "e1", Name: "group.lifecycle.delete", Actor: provider.Actor{ID: "00u1", Type: "User", Login: "mallory@acme.example"}}
	lost := func(rule string, severity drift.Severity, label, what string) drift.Finding {
		return drift.Finding{
			Rule: rule, Severity: severity, Title: "Title of " + rule, What: what, Sentence: what + " It named what mallory@acme.example deleted.",
			Observation: drift.Observation{
				Label: label, Attribution: drift.Attribution{Event: event, Through: &gone},
				Change: diff.Change{Key: resource.Key{Type: "group_rule", ID: rule}, Op: diff.Update, Fields: []diff.Field{{Path: "status", Op: diff.Create, After: json.RawMessage(`1`)}}},
			},
		}
	}
	deleted := drift.Finding{
		Rule: "group_deleted", Severity: drift.High, Title: "Group deleted", Sentence: "mallory@acme.example deleted the group Finance.",
		Observation:  drift.Observation{Label: "Finance", Change: diff.Change{Key: gone, Op: diff.Delete}, Attribution: drift.Attribution{Event: event}},
		Consequences: []string{"Group rule “R1” status gained 1", "Application “Payroll” changed"},
	}
	r1, r2 := lost("r1", drift.Medium, "R1", "The group rule R1 is invalid."), lost("r2", drift.Critical, "R2", "The rule R2 lets in more.")
	deleted.Consequences[0] = drift.Consequence(worldtest.Providers()[0].Catalog(), r1.Observation)
	elsewhere := lost("r3", drift.Low, "R3", "The rule R3 is invalid.")
	elsewhere.Attribution.Through = &resource.Key{Type: "group", ID: "00gother"}
	store(t, w, r1, elsewhere, deleted, r2)
	work(t, w, worker.Config{}, deps(t, w))
	ctx, cancel := context.WithTimeout(t.Context(), worldtest.Patience)
	defer cancel()
	mail := w.Mails.Wait(ctx, t, func(m notifytest.Mail) bool { return m.To == w.Account.Email })
	if mail.Subject != "[Imago] critical: Group deleted: Finance, and 3 more changes" {
		t.Errorf("subject: %s", mail.Subject)
	}
	for want, times := range map[string]int{
		"noticed 2 changes in": 1, "and 2 that followed from them": 1, "What followed from it": 1,
		"critical  The rule R2 lets in more.\n    medium    The group rule R1 is invalid.\n": 1,
		"R1": 1, "R2": 1, "Application “Payroll” changed": 1, "The rule R3 is invalid. It named what": 1, "Severity  ": 2,
	} {
		if n := strings.Count(mail.Text, want); n != times {
			t.Errorf("%q stands %d times in the mail, not %d:\n%s", want, n, times, mail.Text)
		}
	}
}

// store stores findings in one transaction, as the drift monitor does.
func store(t *testing.T, w *worldtest.World, all ...drift.Finding) {
	t.Helper()
	proof := w.Base.Job(t, job.FollowLog{AccountID: string(w.Account.ID), ConnectionID: string(w.Connection)})
	err := w.Base.Open(t, "imago_drift").As(t.Context(), proof, func(tx *postgres.Tx) error {
		first := ""
		for _, f := range all {
			shut, err := sealed.Finding(w.Connection, f.Rule).Seal(w.Ring, f)
			if err != nil {
				return err
			}
			id, _, err := findings.Add(t.Context(), tx, findings.Finding{ConnectionID: w.Connection, Rule: f.Rule, Severity: string(f.Severity),
				DedupKey: f.Rule, ResourceType: f.Change.Key.Type, Sealed: shut, EventTime: time.Now()})
			if err != nil {
				return err
			}
			if first == "" {
				first = id
			}
		}
		_, err := messages.QueueFinding(t.Context(), tx, first, string(all[0].Severity))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
