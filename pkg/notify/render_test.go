package notify

import (
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite the golden files")

var (
	day   = time.Date(2026, 3, 4, 10, 8, 1, 0, time.UTC)
	place = Place{Connection: "Acme production", Org: "https://acme.okta.com"}
)

// deletedGroup is a finding of the most usual kind.
func deletedGroup() Finding {
	return Finding{
		Severity: "high", Title: "Group deleted: Finance", Sentence: "The group Finance was deleted.",
		Type: "Group", Object: "Finance", Key: "group/00g1",
		Who: "mallory@acme.example", WhoType: "User", Certain: true, When: day,
		IP: "203.0.113.7", Agent: "Mozilla/5.0 (X11; Linux x86_64)", Where: "Utrecht, Netherlands",
		Event: "group.lifecycle.delete", Snapshot: "0193a2b0-0000-7000-8000-000000000001",
	}
}

func weakenedRule() Finding {
	return Finding{
		Severity: "critical", Title: "Sign-in rule weakened: Admins", Sentence: "The rule Admins asks for one factor instead of two.",
		Type: "Access policy rule", Object: "Admins", Key: "policy_access_policy_rule/rst1/rul1",
		Who: "robot", When: day.Add(-time.Hour), Hidden: 2,
		Fields: []Field{
			{Path: "actions.appSignOn.verificationMethod.factorMode", Before: `"2FA"`, After: `"1FA"`},
			{Path: "conditions.network", After: `{"connection":"ANYWHERE"}`},
		},
		Related: []Text{"policy.rule.update of Admins"}, Snapshot: "0193a2b0-0000-7000-8000-000000000001",
	}
}

// deletedWithConsequences is a deleted group that policies and rules named.
func deletedWithConsequences() Finding {
	f := deletedGroup()
	f.Followed = []Followed{
		{"critical", "The rule “Admins” of the policy “Finance apps” lost a restriction, and lets in more than it did."},
		{"medium", "The group rule “Finance by department” is invalid and puts nobody into a group any more."},
	}
	f.MoreFollowed = 3
	f.Related = []Text{"Application “Payroll” changed: visibility gained true"}
	return f
}

// hostile is a finding in which everything that somebody could write tries something.
func hostile() Finding {
	f := deletedGroup()
	f.Title = "Group deleted: <img src=x onerror=alert(1)>\r\nBcc: everybody@acme.example"
	f.Sentence = "The group <script>alert(1)</script> https://evil.example/login was deleted."
	f.Object = "{{.Code}} \u202egnp.exe evil.example \x1b[31m"
	f.Who = `"><a href="https://evil.example">`
	f.Agent = "curl www.evil.example/a"
	f.Event = "group.x <b>"
	f.Key = "group/00g1; rm -rf ~"
	f.Fields = []Field{{Path: "profile.evil</td>.name", Before: "javascript:alert(1)", After: "http://evil.example/?a=1&b=2"}}
	f.Related = []Text{"<b>bold</b> to evil.example.org"}
	f.Followed = []Followed{{"high", "The rule <script>x</script> https://evil.example/b\nlost a restriction."}}
	return f
}

func receipt() RestoreReceipt {
	return RestoreReceipt{
		Place: place, Restore: "0193a2b0-0000-7000-8000-000000000009", Outcome: "verified",
		Digest: "sha256:" + strings.Repeat("ab", 32), Approver: "ada@acme.example", Approved: day, Ended: day.Add(time.Minute),
		Made: []Written{
			{Op: "create", Type: "Group", Label: "Finance", NewID: "00g2"},
			{Op: "update", Type: "Group rule", Label: "Finance by department"},
		},
		Hidden: 14, Identical: 3, Verified: 16, LeftOut: []Text{"Membership bob@acme.example: deactivated since"},
	}
}

func mails() map[string]Mail {
	stopped := receipt()
	stopped.Outcome, stopped.Problem, stopped.Verified = "stopped", "group rule Finance by department has changed since it was planned", 0
	differs := receipt()
	differs.Differences = []Text{"Group Finance: profile.description"}
	return map[string]Mail{
		"payment_failed":           PaymentFailed{Account: "Acme", Plan: "Standard", Until: day},
		"subscription_ended":       SubscriptionEnded{Account: "Acme", Plan: "Standard", Ended: day, Kept: day, Days: 7},
		"subscription_ended_bare":  SubscriptionEnded{Account: "Acme", Plan: "Standard"},
		"sign_in_code":             SignInCode{Code: "042137", Valid: 10 * time.Minute},
		"step_up_code":             SignInCode{Code: "042137", Valid: 10 * time.Minute, StepsUp: true},
		"drift_alert":              DriftAlert{Place: place, Findings: []Finding{deletedGroup()}},
		"drift_alert_several":      DriftAlert{Place: place, Findings: []Finding{weakenedRule(), deletedGroup()}, More: 5},
		"drift_alert_folded":       DriftAlert{Place: place, Findings: []Finding{deletedWithConsequences()}},
		"drift_alert_folded_more":  DriftAlert{Place: place, Findings: []Finding{weakenedRule(), deletedWithConsequences()}},
		"drift_alert_hostile":      DriftAlert{Place: Place{Connection: "<i>x</i>\nX: y", Org: "https://acme.okta.com"}, Findings: []Finding{hostile()}},
		"restore_receipt":          receipt(),
		"restore_receipt_stopped":  stopped,
		"restore_receipt_differs":  differs,
		"window_open":              WindowOpen{Place: place, Restore: "0193a2b0-0000-7000-8000-000000000009", Opened: day, Ended: day.Add(time.Minute), Seen: "the write app is still active"},
		"snapshot_failed":          SnapshotFailed{Place: place, Snapshot: "0193a2b0", Started: day, Ended: day.Add(6 * time.Hour), What: "the org did not answer for six hours", Hint: "see whether the org is up"},
		"log_silent":               LogSilent{place},
		"snapshot_overdue":         SnapshotOverdue{Place: place, Cron: "0 2 * * *", TimeZone: "Europe/Amsterdam", Last: day},
		"snapshot_overdue_for_now": SnapshotOverdue{Place: place, Cron: "0 2 * * *", TimeZone: "UTC"},
	}
}

func templates(t *testing.T) *Templates {
	t.Helper()
	out, err := NewTemplates()
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestRenderGolden(t *testing.T) {
	t.Parallel()
	tmpl := templates(t)
	for name, m := range mails() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := tmpl.Render("0193a2b0-0000-7000-8000-0000000000ff", "ada@acme.example", m)
			if err != nil {
				t.Fatal(err)
			}
			golden(t, name+".txt", "Subject: "+got.Subject+"\n\n"+got.Text)
			golden(t, name+".html", got.HTML)
		})
	}
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", name, diff)
	}
}

func TestHostileTextStaysText(t *testing.T) {
	t.Parallel()
	got, err := templates(t).Render("m1", "ada@acme.example", mails()["drift_alert_hostile"])
	if err != nil {
		t.Fatal(err)
	}
	for _, bad := range []string{"<script", "<img", "<a ", "<b>", "<i>", "</td>.name"} {
		if strings.Contains(got.HTML, bad) {
			t.Errorf("the html holds %q", bad)
		}
	}
	for _, bad := range []string{"evil.example", "http://evil", "https://evil", "\x1b", "\u202e", "imago restore plan"} {
		if strings.Contains(got.Text, bad) || strings.Contains(got.HTML, bad) || strings.Contains(got.Subject, bad) {
			t.Errorf("the mail holds %q", bad)
		}
	}
	if strings.ContainsAny(got.Subject, "\r\n") {
		t.Errorf("the subject goes on: %q", got.Subject)
	}
}

// What others wrote is of type Text, so that no template can print it raw. The
// plain strings are ours: IDs, digests, words of closed lists, and those that a
// method checks before they are shown.
func TestStringsOfOthersAreText(t *testing.T) {
	t.Parallel()
	ours := map[string]bool{
		"SignInCode.Code": true, "Place.Org": true, "Finding.Severity": true, "Followed.Severity": true, "Finding.Event": true,
		"Finding.Key": true, "Finding.Snapshot": true, "RestoreReceipt.Restore": true,
		"RestoreReceipt.Outcome": true, "RestoreReceipt.Digest": true, "Written.Op": true,
		"WindowOpen.Restore": true, "SnapshotFailed.Snapshot": true, "SnapshotOverdue.Cron": true, "PaymentFailed.Plan": true, "SubscriptionEnded.Plan": true, "SnapshotOverdue.TimeZone": true,
	}
	for _, v := range []any{SignInCode{}, DriftAlert{}, Place{}, Finding{}, Followed{}, Field{}, RestoreReceipt{}, Written{}, WindowOpen{}, SnapshotFailed{}, SnapshotOverdue{}, PaymentFailed{}, SubscriptionEnded{}} {
		typ := reflect.TypeOf(v)
		for f := range typ.Fields() {
			name := typ.Name() + "." + f.Name
			if f.Type == reflect.TypeFor[string]() && !ours[name] {
				t.Errorf("%s is a plain string", name)
			}
		}
	}
}

func TestText(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"Finance":                      "Finance",
		"a\r\nBcc: b":                  "a  Bcc: b",
		"ada@acme.example":             "ada@acme.example",
		"ada@acme.example x@b.example": "ada@acme[.]example x@b[.]example",
		"https://evil.example.com":     "https[:]//evil[.]example[.]com",
		"evil\u3002example\uff0ecom":   "evil[\u3002]example[\uff0e]com",
		"evil\uff61example":            "evil[\uff61]example",
		"10.0.0.1/8":                   "10.0.0.1/8",
		"\u202eevil\u2066\x00\xff":     "evil",
		strings.Repeat("é", 301):       strings.Repeat("é", 299) + "…",
	} {
		if got := Text(in).String(); got != want {
			t.Errorf("Text(%q) = %q, want %q", in, got, want)
		}
	}
}

// A mail is made a moment after its code: nobody is told of nine minutes.
func TestCodeIsValidForWholeMinutes(t *testing.T) {
	t.Parallel()
	for valid, want := range map[time.Duration]int{
		10 * time.Minute:                     10,
		10*time.Minute - 30*time.Millisecond: 10,
		9*time.Minute + 29*time.Second:       9,
		20 * time.Second:                     1,
		time.Minute + 29*time.Second:         1,
	} {
		if got := (SignInCode{Valid: valid}).Minutes(); got != want {
			t.Errorf("%v: %d minutes, want %d", valid, got, want)
		}
	}
}

func TestRestoreCommandIsSafeToPaste(t *testing.T) {
	t.Parallel()
	for key, want := range map[string]string{
		"group/00g1":                    "imago restore plan --snapshot s1 group/00g1",
		"group_membership/00g1/00u1":    "imago restore plan --snapshot s1 group_membership/00g1/00u1",
		"group/$(reboot)":               "",
		"group/a b":                     "",
		"group/a\nb":                    "",
		"--all":                         "",
		"":                              "",
		"policy_access_policy/rst'1/or": "",
	} {
		if got := (Finding{Key: key, Snapshot: "s1"}).Restore(); got != want {
			t.Errorf("Restore of %q = %q, want %q", key, got, want)
		}
	}
	if got := (Finding{Key: "group/00g1"}).Restore(); got != "" {
		t.Errorf("without a snapshot: %q", got)
	}
}

func TestValidate(t *testing.T) {
	t.Parallel()
	good := Message{ID: "a-1.b", To: "ada@acme.example", Subject: "Grüße", Text: "x", HTML: "y"}
	if err := good.Validate(); err != nil {
		t.Fatal(err)
	}
	for name, spoil := range map[string]func(*Message){
		"id with a bracket":      func(m *Message) { m.ID = "a>b" },
		"id with a line":         func(m *Message) { m.ID = "a\r\nX: y" },
		"no id":                  func(m *Message) { m.ID = "" },
		"recipient with a line":  func(m *Message) { m.To = "ada@acme.example\r\nBcc: x@y.example" },
		"two recipients":         func(m *Message) { m.To = "a@b.example, c@d.example" },
		"recipient with a name":  func(m *Message) { m.To = "Ada <a@b.example>" },
		"recipient without host": func(m *Message) { m.To = "ada" },
		"subject with a line":    func(m *Message) { m.Subject = "a\nBcc: x@y.example" },
		"no subject":             func(m *Message) { m.Subject = "" },
		"long subject":           func(m *Message) { m.Subject = strings.Repeat("x", maxSubject+1) },
		"no text":                func(m *Message) { m.Text = "" },
		"no html":                func(m *Message) { m.HTML = "" },
		"body that is no text":   func(m *Message) { m.Text = "\xff" },
		"body with a zero":       func(m *Message) { m.HTML = "a\x00" },
	} {
		m := good
		spoil(&m)
		if err := m.Validate(); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}
