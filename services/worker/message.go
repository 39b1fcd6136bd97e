package worker

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"imago/pkg/account"
	"imago/pkg/diff"
	"imago/pkg/envelope"
	"imago/pkg/job"
	"imago/pkg/notify"
	"imago/pkg/postgres"
	"imago/pkg/postgres/accounts"
	"imago/pkg/postgres/checks"
	"imago/pkg/postgres/connections"
	"imago/pkg/postgres/cursors"
	"imago/pkg/postgres/findings"
	"imago/pkg/postgres/messages"
	"imago/pkg/postgres/restores"
	"imago/pkg/postgres/schedules"
	"imago/pkg/postgres/sealed"
	"imago/pkg/postgres/snapshots"
	"imago/pkg/postgres/work"
	"imago/pkg/problem"
	"imago/pkg/provider"
	"imago/pkg/resource"
	"imago/pkg/restore"
)

// How much of what happened one mail shows.
const (
	mostFindings = 20
	mostFollowed = 20 // of each finding
	mostFields   = 20
	mostWrites   = 50
)

// mailPatience is how long a mail is tried that no mail server takes just now.
const mailPatience = 3 * 24 * time.Hour

// sendMessage renders one message and sends it. A process that is killed between the
// sending and the mark sends it once more, with the same Message-ID, by which mail
// programs know a copy; the other order would lose it.
func (s *Service) sendMessage(ctx context.Context, u work.Unit, a job.SendMessage) (work.End, error) {
	ring, err := s.keyrings.Of(ctx, u.Proof, account.ID(a.AccountID))
	if err != nil {
		return s.notBegun(ctx, u, err)
	}
	l := letter{ring: ring, catalogs: s.catalog}
	err = s.DB.As(ctx, u.Proof, func(tx *postgres.Tx) error { return l.read(ctx, tx, a.MessageID) })
	if problem.Is(err, problem.NotFound) {
		return work.Done(outcome("gone")), nil // the member left, and the message with them
	}
	if err != nil {
		return work.End{}, fmt.Errorf("read message %s: %w", a.MessageID, err)
	}
	if l.State != "queued" {
		return work.Done(outcome("sent before")), nil
	}
	if l.outdated() {
		return work.Done(outcome("not so any more")), s.DB.As(ctx, u.Proof, func(tx *postgres.Tx) error { return messages.SetFailed(ctx, tx, l.ID) })
	}
	mail, err := l.mail()
	if err != nil {
		return work.End{}, fmt.Errorf("render message %s: %w", a.MessageID, err)
	}
	unsubscribe, err := s.unsubscribe(ctx, u.Proof, &l)
	if err != nil {
		return work.End{}, err
	}
	m, err := s.templates.RenderList(l.ID, l.Email, mail, unsubscribe)
	if err != nil {
		return work.End{}, fmt.Errorf("render message %s: %w", a.MessageID, err)
	}
	sent, err := s.deliver(ctx, string(l.Kind), m)
	if err != nil {
		return s.undelivered(ctx, u, ring, l.ID, err)
	}
	return work.Done(delivered(sent)), s.DB.As(ctx, u.Proof, func(tx *postgres.Tx) error {
		if sent {
			return messages.SetSent(ctx, tx, l.ID)
		}
		return messages.SetFailed(ctx, tx, l.ID)
	})
}

// undelivered tries again later what no mail server takes just now, and tells when it
// gives up.
func (s *Service) undelivered(ctx context.Context, u work.Unit, ring *envelope.Keyring, id string, cause error) (work.End, error) {
	age := s.Now().Sub(u.Since)
	if stopped(ctx) || age < mailPatience {
		s.Log.WarnContext(ctx, "mail is held up", "job", u.Job, "message", id, "error", cause)
		return work.Again(min(max(age/8, 2*time.Second), 15*time.Minute), outcome("held up")), nil
	}
	s.Log.ErrorContext(ctx, "mail is given up", "job", u.Job, "message", id, "error", cause)
	ctx, cancel := aftermath(ctx)
	defer cancel()
	err := s.DB.As(ctx, u.Proof, func(tx *postgres.Tx) error {
		if err := messages.SetFailed(ctx, tx, id); err != nil {
			return err
		}
		return u.Record(ctx, tx, ring, work.Event{At: s.Now(), Action: "fail_message", TargetType: "message", TargetID: id,
			Detail: "no mail server took the mail in three days"})
	})
	if err != nil {
		return work.End{}, fmt.Errorf("give message %s up: %w", id, err)
	}
	return work.Done(outcome("given up")), nil
}

// letter is a message and all that it is about.
type letter struct {
	messages.Message
	ring       *envelope.Keyring
	catalogs   func(providerName string) resource.Catalog
	connection connections.Connection
	findings   []findings.Finding
	restore    restores.Restore
	made       int       // of its writes, when it has no receipt
	last       time.Time // when the last of them ended, then
	approver   string    // of it, then; of an escrow or a deletion, who asked for it
	escrow     accounts.Escrow
	deletion   accounts.Deletion
	snapshot   snapshots.Snapshot
	check      checks.Check
	standing   bool // the alarm that the message is about is the check's last one
	schedule   schedules.Schedule
	payer      payer
	account    string // its name, for a digest, and when mail is stopped
	parts      []letter
	stop       messages.Stop
	update     notify.ProductUpdate
	wanted     bool // of an update: its recipient still asks for such
	more       int  // of a digest, those that are not among the parts
}

// read collects the rows.
func (l *letter) read(ctx context.Context, tx *postgres.Tx, id string) (err error) {
	if l.Message, err = messages.Get(ctx, tx, id); err != nil || l.State != "queued" {
		return err
	}
	if l.Kind == messages.Digest || l.Kind == messages.Storm {
		return l.readDigest(ctx, tx)
	}
	if l.Kind == messages.MailStopped {
		return l.readStopped(ctx, tx)
	}
	if l.Kind == messages.AccountDeletion {
		return l.readDeletion(ctx, tx)
	}
	if l.Kind == messages.ProductUpdate {
		return l.readUpdate(ctx, tx)
	}
	if l.Kind == messages.EscrowMade {
		return l.readEscrow(ctx, tx)
	}
	return l.collect(ctx, tx)
}

// collect reads what the message is about.
func (l *letter) collect(ctx context.Context, tx *postgres.Tx) (err error) {
	var of account.ConnectionID
	switch l.Kind {
	case messages.Finding:
		if l.findings, err = findings.Together(ctx, tx, l.SubjectID); err == nil && len(l.findings) == 0 {
			err = problem.New(problem.NotFound, "there is no such finding")
		}
		if err == nil {
			of = l.findings[0].ConnectionID
		}
	case messages.Receipt, messages.WindowOpen:
		of, err = l.readRestore(ctx, tx)
	case messages.LogSilent:
		of, err = cursors.Alarmed(ctx, tx, l.SubjectID)
	case messages.RepositoryDamaged:
		if l.check, l.standing, err = checks.Alarmed(ctx, tx, l.SubjectID); err != nil || !l.standing {
			return err // outdated
		}
		of = l.check.ConnectionID
	case messages.SnapshotFailed:
		l.snapshot, err = snapshots.Get(ctx, tx, l.SubjectID)
		of = l.snapshot.ConnectionID
	case messages.SnapshotOverdue:
		of, err = l.readOverdue(ctx, tx)
	case messages.PaymentFailed, messages.SubscriptionEnds, messages.SubscriptionEnded, messages.TrialEndsSoon, messages.TrialEnded:
		l.payer, err = readPayer(ctx, tx)
		return err // it is about no connection
	default:
		err = fmt.Errorf("message of kind %q", l.Kind)
	}
	if err != nil {
		return err
	}
	l.connection, err = connections.Get(ctx, tx, of)
	return err
}

// outdated reports whether what the message would ask for was done meanwhile, or its
// recipient may not have it any more.
func (l *letter) outdated() bool {
	switch {
	case l.Barred():
		return true
	case l.Kind == messages.Digest || l.Kind == messages.Storm:
		return len(l.parts) == 0
	}
	switch l.Kind {
	case messages.ProductUpdate:
		return !l.wanted
	case messages.AccountDeletion:
		return l.deletion.ID != l.SubjectID // somebody took it back
	case messages.RepositoryDamaged:
		return !l.standing || l.check.Damaged == 0
	case messages.WindowOpen:
		return l.restore.State.Ended()
	case messages.TrialEndsSoon, messages.TrialEnded:
		return l.payer.Live()
	case messages.SubscriptionEnds:
		return !l.payer.Live() || l.payer.EndsAt.IsZero() // somebody took it back
	case messages.PaymentFailed, messages.SubscriptionEnded:
		return l.payer.WarningID != l.SubjectID || l.Kind == messages.PaymentFailed && l.payer.FailedSince.IsZero()
	}
	return false
}

// readRestore reads the restore, and of one without a receipt what else there is to tell.
func (l *letter) readRestore(ctx context.Context, tx *postgres.Tx) (of account.ConnectionID, err error) {
	if l.restore, err = restores.Get(ctx, tx, l.SubjectID); err != nil || l.restore.ReceiptSealed != nil {
		return l.restore.ConnectionID, err
	}
	steps, err := restores.Steps(ctx, tx, l.restore.ID)
	if err != nil {
		return l.restore.ConnectionID, err
	}
	l.made, l.last = 0, lastOf(l.restore, steps) // once more, when the transaction is
	for _, s := range steps {
		if s.State == restores.StepDone {
			l.made++
		}
	}
	members, err := accounts.Members(ctx, tx)
	if l.restore.ApprovedBy != nil {
		l.approver = addressOf(members, *l.restore.ApprovedBy)
	}
	return l.restore.ConnectionID, err
}

// readOverdue finds what the message's subject is: the last snapshot, or the connection.
func (l *letter) readOverdue(ctx context.Context, tx *postgres.Tx) (of account.ConnectionID, err error) {
	of = account.ConnectionID(l.SubjectID)
	l.snapshot, err = snapshots.Get(ctx, tx, l.SubjectID)
	switch {
	case err == nil:
		of = l.snapshot.ConnectionID
	case !problem.Is(err, problem.NotFound):
		return of, err
	}
	l.schedule, _, err = schedules.Get(ctx, tx, of)
	return of, err
}

// mail is what the message says.
func (l *letter) mail() (notify.Mail, error) {
	if l.Kind == messages.Digest || l.Kind == messages.Storm {
		return l.digest()
	}
	if l.Kind == messages.MailStopped {
		return notify.MailStopped{Account: notify.Text(l.account), Who: notify.Text(l.stop.Email), Topic: titles(l.stop.Topics), Reason: l.stop.Kind}, nil
	}
	if l.Kind == messages.ProductUpdate {
		return l.update, nil
	}
	if l.Kind == messages.EscrowMade {
		return notify.EscrowMade{Account: notify.Text(l.account), By: notify.Text(l.approver), Recipient: l.escrow.Recipient}, nil
	}
	if l.Kind == messages.AccountDeletion {
		return notify.AccountDeletion{Account: notify.Text(l.account), By: notify.Text(l.approver), Due: at(l.deletion.DueAt)}, nil
	}
	place := notify.Place{ID: string(l.connection.ID), Connection: notify.Text(l.connection.Name), Org: l.connection.OrgURL}
	switch l.Kind {
	case messages.Finding:
		return l.alert(place)
	case messages.Receipt:
		return l.receipt(place)
	case messages.WindowOpen:
		return l.window(place)
	case messages.SnapshotFailed:
		return notify.SnapshotFailed{
			Place: place, Snapshot: l.snapshot.ID, Started: at(l.snapshot.StartedAt), Ended: at(l.snapshot.EndedAt),
			What: notify.Text(what(l.snapshot.Problem)), Hint: notify.Text(hint(l.snapshot.Problem)),
		}, nil
	case messages.LogSilent:
		return notify.LogSilent{Place: place}, nil
	case messages.RepositoryDamaged:
		return notify.RepositoryDamaged{
			Place: place, Checked: l.check.CheckedAt, Objects: l.check.Damaged, Concerned: l.check.Concerned, Snapshots: int(l.check.Snapshots),
		}, nil
	case messages.PaymentFailed, messages.SubscriptionEnds, messages.SubscriptionEnded, messages.TrialEndsSoon, messages.TrialEnded:
		return l.payer.mail(l.Kind), nil
	}
	return notify.SnapshotOverdue{Place: place, Cron: l.schedule.Cron, TimeZone: l.schedule.TimeZone, Last: at(l.snapshot.EndedAt)}, nil
}

func at(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return *t
}

func what(p *problem.Problem) string {
	if p == nil {
		return "the reason was not kept"
	}
	return p.What
}

func hint(p *problem.Problem) string {
	if p == nil {
		return ""
	}
	return p.Hint
}

func firstOf(words ...string) string {
	for _, w := range words {
		if w != "" {
			return w
		}
	}
	return ""
}

// window tells of a window that is open longer than it has to be.
func (l *letter) window(place notify.Place) (notify.Mail, error) {
	w := notify.WindowOpen{Place: place, Restore: l.restore.ID, Opened: at(l.restore.WindowOpenedAt)}
	if l.restore.ReceiptSealed == nil { // its problem says why it was stopped
		w.Ended, w.Seen = l.last, "the org was not seen refusing the write app"
		return w, nil
	}
	var r restore.Receipt
	if err := sealed.Receipt(l.restore.ID).Open(l.ring, l.restore.ReceiptSealed, &r); err != nil {
		return nil, err
	}
	w.Ended, w.Seen = r.Ended, notify.Text(what(l.restore.Problem))
	return w, nil
}

func (l *letter) receipt(place notify.Place) (notify.Mail, error) {
	if l.restore.ReceiptSealed == nil {
		return l.stopped(place)
	}
	var r restore.Receipt
	if err := sealed.Receipt(l.restore.ID).Open(l.ring, l.restore.ReceiptSealed, &r); err != nil {
		return nil, err
	}
	return receiptText(place, r), nil
}

// stopped tells of a restore that ended too early to have a receipt, and how many writes
// its journal says were made.
func (l *letter) stopped(place notify.Place) (notify.Mail, error) {
	if l.restore.Problem == nil || l.restore.PlanDigest == nil {
		return nil, errors.New("the restore has no receipt")
	}
	return notify.RestoreReceipt{
		Place: place, Restore: l.restore.ID, Outcome: "stopped", Digest: *l.restore.PlanDigest, Hidden: l.made,
		Approver: notify.Text(l.approver), Approved: at(l.restore.ApprovedAt), Ended: l.last,
		Problem: notify.Text(l.restore.Problem.Error()),
	}, nil
}

// receiptText is a receipt in the mail's words.
func receiptText(place notify.Place, r restore.Receipt) notify.RestoreReceipt {
	out := notify.RestoreReceipt{
		Place: place, Restore: r.Restore, Outcome: "verified", Digest: r.Plan, Approver: notify.Text(r.ApprovedBy),
		Approved: r.Approved, Ended: r.Ended, Verified: r.Report.Same,
	}
	for _, c := range r.Identical {
		out.Identical += c.N
	}
	for _, line := range r.Lines {
		switch {
		case line.State != restore.Done:
			out.Differences = append(out.Differences, notify.Text(firstOf(line.Problem, "not made: "+line.Title+" "+line.Label)))
		case len(out.Made) == mostWrites:
			out.Hidden++
		default:
			out.Made = append(out.Made, written(line))
		}
	}
	for _, left := range r.LeftOut {
		out.LeftOut = append(out.LeftOut, notify.Text(left.Title+" "+left.Label+": "+left.Reason))
	}
	for _, d := range r.Report.Differences {
		out.Differences = append(out.Differences, notify.Text(difference(d)))
	}
	if r.Failed+r.Skipped > 0 {
		out.Outcome = "stopped"
		out.Problem = notify.Text(fmt.Sprintf("of %s, %d failed and %d skipped", count(int64(len(r.Lines)), "write"), r.Failed, r.Skipped))
	}
	return out
}

func written(line restore.Line) notify.Written {
	w := notify.Written{Op: string(line.Op), Type: notify.Text(line.Title), Label: notify.Text(line.Label)}
	if line.Parent != "" {
		w.Label = notify.Text(line.Label + " in " + line.Parent)
	}
	if line.Op == provider.Create && line.Is.ID != line.Was.ID {
		w.NewID = notify.Text(line.Is.ID)
	}
	return w
}

// difference names what is not as it was.
func difference(d restore.Difference) string {
	if d.Op == diff.Delete {
		return d.Title + " " + d.Label + " is not there"
	}
	var paths []string
	for _, f := range d.Fields {
		paths = append(paths, strings.ReplaceAll(f.Path, ".", " › "))
	}
	return d.Title + " " + d.Label + ": " + strings.Join(paths, ", ")
}

// catalog is what is known of a provider's types; nil for one that nobody knows.
func (s *Service) catalog(name string) resource.Catalog {
	for _, p := range s.Providers {
		if p.Name() == name {
			return p.Catalog()
		}
	}
	return nil
}
