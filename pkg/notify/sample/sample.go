// Package sample holds one mail of each kind, and more where it matters, with canned data: to
// look at, and to compare with what is rendered.
package sample

import (
	"strings"
	"time"

	"imago/pkg/notify"
)

var (
	day   = time.Date(2026, 3, 4, 10, 8, 1, 0, time.UTC)
	payer = notify.Payer{Account: "Acme"}
	place = notify.Place{ID: "0193a2b0-0000-7000-8000-000000000002", Connection: "Acme production", Org: "https://acme.okta.com"}
)

// deletedGroup is a finding of the most usual kind.
func deletedGroup() notify.Finding {
	return notify.Finding{
		ID: "0193a2b0-0000-7000-8000-000000000003", Severity: "high", Title: "Group deleted: Finance", Sentence: "The group Finance was deleted.",
		Type: "Group", Object: "Finance", Key: "group/00g1",
		Who: "mallory@acme.example", WhoType: "User", Certain: true, When: day,
		IP: "203.0.113.7", Agent: "Mozilla/5.0 (X11; Linux x86_64)", Where: "Utrecht, Netherlands",
		Event: "group.lifecycle.delete", Snapshot: "0193a2b0-0000-7000-8000-000000000001",
	}
}

func weakenedRule() notify.Finding {
	return notify.Finding{
		ID: "0193a2b0-0000-7000-8000-000000000004", Severity: "critical", Title: "Sign-in rule weakened: Admins", Sentence: "The rule Admins asks for one factor instead of two.",
		Type: "Access policy rule", Object: "Admins", Key: "policy_access_policy_rule/rst1/rul1",
		Who: "robot", When: day.Add(-time.Hour), Hidden: 2,
		Fields: []notify.Field{
			{Path: "actions.appSignOn.verificationMethod.factorMode", Before: `"2FA"`, After: `"1FA"`},
			{Path: "conditions.network", After: `{"connection":"ANYWHERE"}`},
		},
		Related: []notify.Text{"policy.rule.update of Admins"}, Snapshot: "0193a2b0-0000-7000-8000-000000000001",
	}
}

// deletedWithConsequences is a deleted group that policies and rules named.
func deletedWithConsequences() notify.Finding {
	f := deletedGroup()
	f.Followed = []notify.Followed{
		{Severity: "critical", Sentence: "The rule “Admins” of the policy “Finance apps” lost a restriction, and lets in more than it did."},
		{Severity: "medium", Sentence: "The group rule “Finance by department” is invalid and puts nobody into a group any more."},
	}
	f.MoreFollowed = 3
	f.Related = []notify.Text{"Application “Payroll” changed: visibility gained true"}
	return f
}

// hostile is a finding in which everything that somebody could write tries something.
func hostile() notify.Finding {
	f := deletedGroup()
	f.Title = "Group deleted: <img src=x onerror=alert(1)>\r\nBcc: everybody@acme.example"
	f.Sentence = "The group <script>alert(1)</script> https://evil.example/login was deleted."
	f.Object = "{{.Code}} \u202egnp.exe evil.example \x1b[31m"
	f.Who = `"><a href="https://evil.example">`
	f.Agent = "curl www.evil.example/a"
	f.Event = "group.x <b>"
	f.Key = "group/00g1; rm -rf ~"
	f.Fields = []notify.Field{{Path: "profile.evil</td>.name", Before: "javascript:alert(1)", After: "http://evil.example/?a=1&b=2"}}
	f.Related = []notify.Text{"<b>bold</b> to evil.example.org"}
	f.Followed = []notify.Followed{{Severity: "high", Sentence: "The rule <script>x</script> https://evil.example/b\nlost a restriction."}}
	return f
}

func receipt() notify.RestoreReceipt {
	return notify.RestoreReceipt{
		Place: place, Restore: "0193a2b0-0000-7000-8000-000000000009", Outcome: "verified",
		Digest: "sha256:" + strings.Repeat("ab", 32), Approver: "ada@acme.example", Approved: day, Ended: day.Add(time.Minute),
		Made: []notify.Written{
			{Op: "create", Type: "Group", Label: "Finance", NewID: "00g2"},
			{Op: "update", Type: "Group rule", Label: "Finance by department"},
		},
		Hidden: 14, Identical: 3, Verified: 16, LeftOut: []notify.Text{"Membership bob@acme.example: deactivated since"},
	}
}

// Mails are the samples, by name.
func Mails() map[string]notify.Mail {
	stopped := receipt()
	stopped.Outcome, stopped.Problem, stopped.Verified = "stopped", "group rule Finance by department has changed since it was planned", 0
	differs := receipt()
	differs.Differences = []notify.Text{"Group Finance: profile.description"}
	storm := digest()
	storm.Storm, storm.More = true, 31
	return map[string]notify.Mail{
		"payment_failed":           notify.PaymentFailed{Payer: payer, Plan: "Standard", Until: day},
		"subscription_ends":        notify.SubscriptionEnds{Payer: payer, Plan: "Standard", Ends: day},
		"subscription_ended":       notify.SubscriptionEnded{Payer: payer, Plan: "Standard", Ended: day, Kept: day, Days: 7},
		"subscription_ended_bare":  notify.SubscriptionEnded{Payer: payer, Plan: "Standard"},
		"trial_ends":               notify.TrialEnds{Payer: payer, Plan: "Standard", Ends: day},
		"trial_ended":              notify.TrialEnds{Payer: payer, Plan: "Standard", Ends: day, Over: true, Kept: day.Add(30 * 24 * time.Hour), Days: 7},
		"digest":                   digest(),
		"digest_storm":             storm,
		"product_update":           notify.ProductUpdate{Title: "Imago 1.2: restore by hand-picked fields", Body: "Each field of a plan can be left out now:\n\n- in the console, by its box,\n- with `--leave-out`.\n\nNothing has to be set up for it.\n"},
		"escrow_made":              notify.EscrowMade{Account: "Acme", By: "bob@acme.example", Recipient: "age125ra746w3gcv4s3cl6mllrgy68hsdvgshh946enkgmydshju4yhss2qg9v"},
		"account_deletion":         notify.AccountDeletion{Account: "Acme", By: "bob@acme.example", Due: day},
		"mail_stopped":             notify.MailStopped{Account: "Acme", Who: "bob@acme.example", Topic: "drift", Reason: "bounce"},
		"mail_stopped_spam":        notify.MailStopped{Account: "Acme", Who: "bob@acme.example", Topic: "product updates", Reason: "spam_report"},
		"invitation":               notify.Invitation{Account: "Acme", By: "ada@acme.example", Role: "operator", Token: "imago_invite_x", Until: day},
		"invitation_hostile":       notify.Invitation{Account: "<b>Acme</b>\nBcc: x, see https://evil.example/login", By: "ada@acme.example", Role: "viewer", Token: "imago_invite_x", Until: day},
		"sign_in_code":             notify.SignInCode{Code: "042137", Valid: 10 * time.Minute},
		"step_up_code":             notify.SignInCode{Code: "042137", Valid: 10 * time.Minute, StepsUp: true},
		"drift_alert":              notify.DriftAlert{Place: place, Findings: []notify.Finding{deletedGroup()}},
		"drift_alert_several":      notify.DriftAlert{Place: place, Findings: []notify.Finding{weakenedRule(), deletedGroup()}, More: 5},
		"drift_alert_folded":       notify.DriftAlert{Place: place, Findings: []notify.Finding{deletedWithConsequences()}},
		"drift_alert_folded_more":  notify.DriftAlert{Place: place, Findings: []notify.Finding{weakenedRule(), deletedWithConsequences()}},
		"drift_alert_hostile":      notify.DriftAlert{Place: notify.Place{Connection: "<i>x</i>\nX: y", Org: "https://acme.okta.com"}, Findings: []notify.Finding{hostile()}},
		"restore_receipt":          receipt(),
		"restore_receipt_stopped":  stopped,
		"restore_receipt_differs":  differs,
		"window_open":              notify.WindowOpen{Place: place, Restore: "0193a2b0-0000-7000-8000-000000000009", Opened: day, Ended: day.Add(time.Minute), Seen: "the write app is still active"},
		"snapshot_failed":          notify.SnapshotFailed{Place: place, Snapshot: "0193a2b0", Started: day, Ended: day.Add(6 * time.Hour), What: "the org did not answer for six hours", Hint: "see whether the org is up"},
		"log_silent":               notify.LogSilent{Place: place},
		"repository_damaged":       notify.RepositoryDamaged{Place: place, Checked: day, Objects: 2, Concerned: 3, Snapshots: 214},
		"snapshot_overdue":         notify.SnapshotOverdue{Place: place, Cron: "0 2 * * *", TimeZone: "Europe/Amsterdam", Last: day},
		"snapshot_overdue_for_now": notify.SnapshotOverdue{Place: place, Cron: "0 2 * * *", TimeZone: "UTC"},
	}
}

func digest() notify.Digest {
	return notify.Digest{Account: "Acme", Entries: []notify.Entry{
		{Severity: "critical", Title: "Sign-in rule weakened: Admins", Connection: place.Connection, When: day.Add(-time.Hour), Page: weakenedRule().Page()},
		{Severity: "high", Title: "Group deleted: Finance", Connection: place.Connection, When: day, Page: deletedGroup().Page()},
		{Title: "Snapshot failed: Acme sandbox", Connection: "Acme sandbox <b>", When: day},
	}}
}
