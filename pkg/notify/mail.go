package notify

import (
	"cmp"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Mail is what one of the templates is filled with.
type Mail interface {
	template() string // the name of the pair of files, without extension
	subject() string
	foot() Foot
}

// SignInCode lets a person in, or has one who is in prove again who they are. The code
// itself must be kept nowhere.
type SignInCode struct {
	Code    string
	Valid   time.Duration
	StepsUp bool
}

func (SignInCode) template() string { return "sign_in_code" }

// subject leaves the code out: subjects show on locked screens.
func (c SignInCode) subject() string {
	if c.StepsUp {
		return "Your Imago confirmation code"
	}
	return "Your Imago sign-in code"
}

func (SignInCode) foot() Foot {
	return Foot{Why: "Imago sends this because somebody gave your address to sign in."}
}

// Minutes is how long the code is valid, to the nearest minute: a mail is made a moment
// after its code.
func (c SignInCode) Minutes() int { return max(1, int(c.Valid.Round(time.Minute).Minutes())) }

// Invitation asks somebody into an account.
type Invitation struct {
	Account Text
	By      Text   // address of who sent it
	Role    string // of account.Roles
	Token   string // it must be kept nowhere
	Until   time.Time
}

func (Invitation) template() string { return "invitation" }

func (i Invitation) subject() string { return "[Imago] You are invited to " + i.Account.String() }

func (Invitation) foot() Foot {
	return Foot{Why: "Imago sends this because somebody invited your address."}
}

// Page is where a browser accepts it. A fragment stays in the browser.
func (i Invitation) Page() string { return "/invitation#" + i.Token }

// Article is the word before the role.
func (i Invitation) Article() string {
	if strings.ContainsRune("aeiou", rune(i.Role[0])) {
		return "an"
	}
	return "a"
}

// Place says which connection a mail is about.
type Place struct {
	ID         string // the connection's
	Connection Text
	Org        string // its URL, as it was validated when it was connected
}

func (p Place) foot() Foot {
	return Foot{
		About: p.Connection.String() + ", " + p.Org, Chosen: true,
		Why: "Imago sends this because you are a member of the account that backs this org up.",
	}
}

// Page is the connection's in the console.
func (p Place) Page() string { return page("/orgs/", p.ID, "") }

// DriftAlert tells of the findings of one look at an org, in one mail.
type DriftAlert struct {
	Place
	Findings []Finding // the worst first
	More     int       // findings that the mail leaves out
}

func (DriftAlert) template() string { return "drift_alert" }

func (a DriftAlert) subject() string {
	return "[Imago] " + a.Findings[0].Worst() + ": " + a.headline()
}

// headline is the worst finding, and how many there are besides.
func (a DriftAlert) headline() string {
	s := a.Findings[0].Title.String()
	switch others := a.Total() - 1; {
	case others > 0:
		return s + ", and " + plural(others+a.Followed(), "more change", "more changes")
	case a.Followed() > 0:
		return s + ", and " + strconv.Itoa(a.Followed()) + " that followed from it"
	}
	return s
}

// Page lists the connection's changes.
func (a DriftAlert) Page() string { return page("/orgs/", a.ID, "/changes") }

// Total counts the changes, those that the mail leaves out among them, and without
// those that followed from one of them.
func (a DriftAlert) Total() int { return len(a.Findings) + a.More }

// Followed counts the changes that followed from others.
func (a DriftAlert) Followed() (n int) {
	for _, f := range a.Findings {
		n += len(f.Followed) + f.MoreFollowed
	}
	return n
}

// severities, the worst first.
var severities = []string{"critical", "high", "medium", "low"}

// BySeverity orders severities, the worst first.
func BySeverity(a, b string) int {
	return cmp.Compare(slices.Index(severities, a), slices.Index(severities, b))
}

// Finding is one change that somebody should hear about.
type Finding struct {
	ID       string
	Severity string // low, medium, high or critical
	Title    Text
	Sentence Text
	Type     Text // the type's title: "Group"
	Object   Text // its label
	Key      string
	Who      Text // the actor's login, or name
	WhoType  Text // the provider's word: "User"
	Certain  bool // the log names exactly one actor
	When     time.Time
	IP       Text
	Agent    Text
	Where    Text   // the provider's guess of the place
	Event    string // the provider's event type: "group.lifecycle.delete"
	Fields   []Field
	Hidden   int // fields that the mail leaves out
	Related  []Text
	Snapshot string // ID of the snapshot that holds it as it was
	// Followed are the changes that it led to, the worst first.
	Followed     []Followed
	MoreFollowed int // those that the mail leaves out
}

// Page is the finding's.
func (f Finding) Page() string { return page("/changes/", f.ID, "") }

// Followed is a change that another one led to.
type Followed struct {
	Severity string
	Sentence Text // what happened, without who did it
}

// Worst is the worst severity among the finding and what followed from it.
func (f Finding) Worst() string {
	worst := f.Severity
	for _, c := range f.Followed {
		if BySeverity(c.Severity, worst) < 0 {
			worst = c.Severity
		}
	}
	return worst
}

// Field is one path that differs.
type Field struct {
	Path   Text
	Before Text // "" when it was absent
	After  Text
}

// Name shows the path by its steps, which no mail program takes for a domain.
func (f Field) Name() Text { return Text(strings.ReplaceAll(string(f.Path), ".", " › ")) }

// shellSafe is a key whose every character a shell takes as it stands.
var shellSafe = regexp.MustCompile(`^[a-z_]+(/[A-Za-z0-9_.~:-]+)+$`)

// eventWord is how providers spell event types.
var eventWord = regexp.MustCompile(`^[a-z0-9_]+(\.[a-z0-9_]+)*$`)

// EventName shows the event type; one that is not spelled like one is only Text.
func (f Finding) EventName() string {
	if eventWord.MatchString(f.Event) {
		return f.Event
	}
	return Text(f.Event).String()
}

// ShownKey is the key; one that no shell takes as it stands is only Text.
func (f Finding) ShownKey() string {
	if shellSafe.MatchString(f.Key) {
		return f.Key
	}
	return Text(f.Key).String()
}

// Restore is the command that plans to put the object back; "" when its key or the
// snapshot's ID could not be pasted into a shell as it stands.
func (f Finding) Restore() string {
	if !shellSafe.MatchString(f.Key) || !messageID.MatchString(f.Snapshot) {
		return ""
	}
	return "imago restore plan --snapshot " + f.Snapshot + " " + f.Key
}

// RestoreReceipt tells what a restore did.
type RestoreReceipt struct {
	Place
	Restore     string // its ID
	Outcome     string // "verified" or "stopped"
	Digest      string // of the approved plan
	Approver    Text
	Approved    time.Time
	Ended       time.Time
	Made        []Written
	Hidden      int // writes that the mail leaves out
	Identical   int
	Verified    int
	Differences []Text // what verifying found; empty when all is as it was
	LeftOut     []Text
	Problem     Text // why it stopped; "" when it did not
}

func (RestoreReceipt) template() string { return "restore_receipt" }

func (r RestoreReceipt) subject() string {
	if r.Outcome != "verified" {
		return "[Imago] Restore stopped: " + r.Connection.String()
	}
	if n := len(r.Differences); n > 0 {
		return "[Imago] Restore done with " + plural(n, "difference", "differences") + ": " + r.Connection.String()
	}
	return "[Imago] Restore verified: " + r.Connection.String()
}

// Page is the restore's.
func (r RestoreReceipt) Page() string { return page("/restores/", r.Restore, "") }

// Writes counts what was written, hidden writes among it.
func (r RestoreReceipt) Writes() int { return len(r.Made) + r.Hidden }

// Written is one write of a restore.
type Written struct {
	Op    string // create, update or delete
	Type  Text
	Label Text
	NewID Text // when it was created
}

// WindowOpen reminds that the write app of a restore was not switched off.
type WindowOpen struct {
	Place
	Restore string // its ID
	Opened  time.Time
	Ended   time.Time // when the restore was verified
	Seen    Text      // what the last look at the write app found
}

func (WindowOpen) template() string { return "window_open" }

func (w WindowOpen) subject() string {
	return "[Imago] Deactivate the write app: " + w.Connection.String()
}

// Page is the restore's.
func (w WindowOpen) Page() string { return page("/restores/", w.Restore, "") }

// SnapshotFailed tells that a snapshot could not be taken.
type SnapshotFailed struct {
	Place
	Snapshot string // its ID
	Started  time.Time
	Ended    time.Time
	What     Text
	Hint     Text
}

func (SnapshotFailed) template() string { return "snapshot_failed" }

func (f SnapshotFailed) subject() string {
	return "[Imago] Snapshot failed: " + f.Connection.String()
}

// Page is the snapshot's.
func (f SnapshotFailed) Page() string { return page("/snapshots/", f.Snapshot, "") }

// RepositoryDamaged tells that objects are damaged or missing that snapshots stand on.
type RepositoryDamaged struct {
	Place
	Checked   time.Time
	Objects   int // that are damaged or missing
	Concerned int // snapshots that stand on one of them
	Snapshots int // that there are
}

func (RepositoryDamaged) template() string { return "repository_damaged" }

func (d RepositoryDamaged) subject() string {
	return "[Imago] Backups are damaged: " + d.Connection.String()
}

// Page is the connection's.
func (d RepositoryDamaged) Page() string { return page("/orgs/", d.ID, "") }

// LogSilent tells that nobody reads the org's log, so that changes are not noticed.
type LogSilent struct{ Place }

func (LogSilent) template() string { return "log_silent" }

func (s LogSilent) subject() string {
	return "[Imago] Changes are not noticed: " + s.Connection.String()
}

// SnapshotOverdue tells that a schedule has had no complete snapshot for too long.
type SnapshotOverdue struct {
	Place
	Cron     string
	TimeZone string
	Last     time.Time // the last complete snapshot; zero: never
}

func (SnapshotOverdue) template() string { return "snapshot_overdue" }

func (o SnapshotOverdue) subject() string {
	return "[Imago] Snapshot overdue: " + o.Connection.String()
}
