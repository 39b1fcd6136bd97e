package notify_test

import (
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"imago/pkg/notify"
	"imago/pkg/notify/sample"
)

var update = flag.Bool("update", false, "rewrite the golden files")

const site = "https://imago.example.com"

func templates(t *testing.T) *notify.Templates {
	t.Helper()
	out, err := notify.NewTemplates(site)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestRenderGolden(t *testing.T) {
	t.Parallel()
	tmpl := templates(t)
	for name, m := range sample.Mails() {
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
	got, err := templates(t).Render("m1", "ada@acme.example", sample.Mails()["drift_alert_hostile"])
	if err != nil {
		t.Fatal(err)
	}
	for _, bad := range []string{"<script", "<img", "<b>", "<i>", "</td>.name"} {
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

// Every mail is laid out alike, and leads nowhere but to the console.
func TestEveryMailIsInTheLayout(t *testing.T) {
	t.Parallel()
	for name, m := range sample.Mails() {
		got, err := templates(t).RenderList("m1", "ada@acme.example", m, site+"/unsubscribe?token=x")
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{`<meta name="color-scheme" content="light dark">`, "prefers-color-scheme: dark", `class="foot"`, "Imago sends this because"} {
			if strings.Count(got.HTML, want) != 1 {
				t.Errorf("%s: %q stands %d times in the html", name, want, strings.Count(got.HTML, want))
			}
		}
		if strings.Count(got.HTML, "<h1") != 1 || strings.Contains(got.HTML, "<img") || strings.Contains(got.HTML, "url(") {
			t.Errorf("%s: not one heading, or something that is loaded from elsewhere", name)
		}
		for _, link := range regexp.MustCompile(`(?:href|src)="([^"]*)"`).FindAllStringSubmatch(got.HTML, -1) {
			if !strings.HasPrefix(link[1], site+"/") {
				t.Errorf("%s: a link to %s", name, link[1])
			}
		}
		for line := range strings.Lines(got.Text) {
			if strings.Contains(line, "://") && !strings.Contains(line, site+"/") && !strings.Contains(line, "https://acme.okta.com") {
				t.Errorf("%s: the text leads to %s", name, line)
			}
		}
		for _, body := range []string{got.Text, got.HTML} {
			if strings.Count(body, site+"/unsubscribe?token=x") != 1 || !strings.Contains(body, "Imago sends this because") {
				t.Errorf("%s: its foot is not whole:\n%s", name, body)
			}
		}
	}
}

// Each template has a sample, so that the command which renders them all leaves none out.
func TestEveryTemplateHasASample(t *testing.T) {
	t.Parallel()
	found, err := filepath.Glob("templates/*")
	if err != nil || len(found) < 20 {
		t.Fatalf("%d templates, %v", len(found), err)
	}
	for _, path := range found {
		name := strings.TrimSuffix(filepath.Base(path), filepath.Ext(path))
		if _, ok := sample.Mails()[name]; !ok && name != "layout" {
			t.Errorf("%s has no sample of its name", path)
		}
	}
}

// Where nobody told the console's address, mails show commands and lead nowhere.
func TestMailsWithoutASite(t *testing.T) {
	t.Parallel()
	bare, err := notify.NewTemplates("")
	if err != nil {
		t.Fatal(err)
	}
	for name, m := range sample.Mails() {
		got, err := bare.Render("m1", "ada@acme.example", m)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(got.HTML, "<a ") || strings.Contains(got.HTML, `class="button"`) || strings.Contains(got.Text, "Or from") || strings.Contains(got.HTML, "Or from") {
			t.Errorf("%s leads somewhere:\n%s", name, got.Text)
		}
	}
}

// What others wrote is of type Text, so that no template can print it raw. The
// plain strings are ours: IDs, digests, words of closed lists, and those that a
// method checks before they are shown.
func TestStringsOfOthersAreText(t *testing.T) {
	t.Parallel()
	ours := map[string]bool{
		"SignInCode.Code": true, "Place.ID": true, "Finding.ID": true, "Entry.Severity": true, "Entry.Page": true, "ProductUpdate.Title": true,
		"MailStopped.Topic": true, "MailStopped.Reason": true, "TrialEnds.Plan": true, "SubscriptionEnds.Plan": true, "Place.Org": true, "Finding.Severity": true, "Followed.Severity": true, "Finding.Event": true,
		"Finding.Key": true, "Finding.Snapshot": true, "RestoreReceipt.Restore": true,
		"RestoreReceipt.Outcome": true, "RestoreReceipt.Digest": true, "Written.Op": true,
		"WindowOpen.Restore": true, "SnapshotFailed.Snapshot": true, "SnapshotOverdue.Cron": true, "PaymentFailed.Plan": true, "SubscriptionEnded.Plan": true, "SnapshotOverdue.TimeZone": true,
	}
	for _, v := range []any{notify.SignInCode{}, notify.DriftAlert{}, notify.Place{}, notify.Finding{}, notify.Followed{}, notify.Field{}, notify.RestoreReceipt{}, notify.Written{}, notify.WindowOpen{}, notify.SnapshotFailed{}, notify.SnapshotOverdue{}, notify.PaymentFailed{}, notify.SubscriptionEnded{},
		notify.Payer{}, notify.TrialEnds{}, notify.SubscriptionEnds{}, notify.LogSilent{}, notify.Digest{}, notify.Entry{}, notify.ProductUpdate{}, notify.MailStopped{}} {
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
		if got := notify.Text(in).String(); got != want {
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
		if got := (notify.SignInCode{Valid: valid}).Minutes(); got != want {
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
		if got := (notify.Finding{Key: key, Snapshot: "s1"}).Restore(); got != want {
			t.Errorf("Restore of %q = %q, want %q", key, got, want)
		}
	}
	if got := (notify.Finding{Key: "group/00g1"}).Restore(); got != "" {
		t.Errorf("without a snapshot: %q", got)
	}
}

func TestValidate(t *testing.T) {
	t.Parallel()
	good := notify.Message{ID: "a-1.b", To: "ada@acme.example", Subject: "Grüße", Text: "x", HTML: "y"}
	if err := good.Validate(); err != nil {
		t.Fatal(err)
	}
	for name, spoil := range map[string]func(*notify.Message){
		"id with a bracket":      func(m *notify.Message) { m.ID = "a>b" },
		"id with a line":         func(m *notify.Message) { m.ID = "a\r\nX: y" },
		"no id":                  func(m *notify.Message) { m.ID = "" },
		"recipient with a line":  func(m *notify.Message) { m.To = "ada@acme.example\r\nBcc: x@y.example" },
		"two recipients":         func(m *notify.Message) { m.To = "a@b.example, c@d.example" },
		"recipient with a name":  func(m *notify.Message) { m.To = "Ada <a@b.example>" },
		"recipient without host": func(m *notify.Message) { m.To = "ada" },
		"subject with a line":    func(m *notify.Message) { m.Subject = "a\nBcc: x@y.example" },
		"no subject":             func(m *notify.Message) { m.Subject = "" },
		"long subject":           func(m *notify.Message) { m.Subject = strings.Repeat("x", 501) },
		"no text":                func(m *notify.Message) { m.Text = "" },
		"no html":                func(m *notify.Message) { m.HTML = "" },
		"body that is no text":   func(m *notify.Message) { m.Text = "\xff" },
		"address without TLS":    func(m *notify.Message) { m.Unsubscribe = "http://imago.example.com/unsubscribe" },
		"address that goes on":   func(m *notify.Message) { m.Unsubscribe = "https://imago.example.com/\r\nBcc: x@y.example" },
		"address that ends":      func(m *notify.Message) { m.Unsubscribe = "https://imago.example.com/>,<mailto:x@y.example" },
		"body with a zero":       func(m *notify.Message) { m.HTML = "a\x00" },
	} {
		m := good
		spoil(&m)
		if err := m.Validate(); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}
