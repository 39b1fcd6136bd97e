// Package job is the contract between services: what work there is, and the IDs
// that it is about. Args hold IDs only; whatever else a job needs, it reads.
package job

// Queues. A worker takes the ones that its configuration names, so that restores
// can run apart with an identity of their own.
const (
	QueueBackup  = "backup"  // reads orgs, writes repositories
	QueueRestore = "restore" // the only queue that may use a write credential
	QueueMail    = "mail"    // and what else waits for a server of somebody else's
	QueueDrift   = "drift"   // the drift monitor's
	QueueTick    = "tick"    // the worker's own clockwork
)

// CheckConnection tests a connection's read credential and stores what it can read.
type CheckConnection struct {
	AccountID    string `json:"account_id" river:"unique"`
	ConnectionID string `json:"connection_id" river:"unique"`
}

// Kind names the job.
func (CheckConnection) Kind() string { return "check_connection" }

// TakeSnapshot takes one snapshot, in slices.
type TakeSnapshot struct {
	AccountID    string `json:"account_id" river:"unique"`
	ConnectionID string `json:"connection_id" river:"unique"`
	SnapshotID   string `json:"snapshot_id" river:"unique"` // of a connection, one at a time is unfinished
}

// Kind names the job.
func (TakeSnapshot) Kind() string { return "take_snapshot" }

// SweepRepository clears away what snapshots that died have left in a connection's
// repository.
type SweepRepository struct {
	AccountID    string `json:"account_id" river:"unique"`
	ConnectionID string `json:"connection_id" river:"unique"`
}

// Kind names the job.
func (SweepRepository) Kind() string { return "sweep_repository" }

// CheckRepository sees that a connection's repository is whole.
type CheckRepository struct {
	AccountID    string `json:"account_id" river:"unique"`
	ConnectionID string `json:"connection_id" river:"unique"`
}

// Kind names the job.
func (CheckRepository) Kind() string { return "check_repository" }

// ResealRepository seals anew what of a connection's snapshots lies under older data keys.
type ResealRepository struct {
	AccountID    string `json:"account_id" river:"unique"`
	ConnectionID string `json:"connection_id" river:"unique"`
}

// Kind names the job.
func (ResealRepository) Kind() string { return "reseal_repository" }

// ForgetSnapshots lets a connection's snapshots go that nothing keeps, and removes those
// from the store that were let go before.
type ForgetSnapshots struct {
	AccountID    string `json:"account_id" river:"unique"`
	ConnectionID string `json:"connection_id" river:"unique"`
}

// Kind names the job.
func (ForgetSnapshots) Kind() string { return "forget_snapshots" }

// FollowLog reads on in an org's log, finds drift, and snoozes until its next poll.
type FollowLog struct {
	AccountID    string `json:"account_id" river:"unique"`
	ConnectionID string `json:"connection_id" river:"unique"`
}

// Kind names the job.
func (FollowLog) Kind() string { return "follow_log" }

// PlanRestore compares a selection with the live org and stores the plan.
type PlanRestore struct {
	AccountID string `json:"account_id" river:"unique"`
	RestoreID string `json:"restore_id" river:"unique"`
}

// Kind names the job.
func (PlanRestore) Kind() string { return "plan_restore" }

// TakePoint takes a snapshot between sweeps, of what the org's log has named alone. What
// that is lies sealed beside the snapshot's row.
type TakePoint struct {
	AccountID    string `json:"account_id" river:"unique"`
	ConnectionID string `json:"connection_id" river:"unique"`
	SnapshotID   string `json:"snapshot_id" river:"unique"`
}

// Kind names the job.
func (TakePoint) Kind() string { return "take_point" }

// ApplyRestore carries out an approved plan: apply, verify, receipt, close.
type ApplyRestore struct {
	AccountID string `json:"account_id" river:"unique"`
	RestoreID string `json:"restore_id" river:"unique"`
}

// Kind names the job.
func (ApplyRestore) Kind() string { return "apply_restore" }

// SendCode makes a sign-in code, stores its hash, and mails it. The code is made
// here so that it is never stored, and never in a job's args.
type SendCode struct {
	CodeID string `json:"code_id" river:"unique"`
}

// Kind names the job.
func (SendCode) Kind() string { return "send_code" }

// SendInvitation makes an invitation's token, stores its hash, and mails it.
type SendInvitation struct {
	AccountID    string `json:"account_id" river:"unique"`
	InvitationID string `json:"invitation_id" river:"unique"`
}

// Kind names the job.
func (SendInvitation) Kind() string { return "send_invitation" }

// SendMessage renders and sends one row of messages to one person.
type SendMessage struct {
	AccountID string `json:"account_id" river:"unique"`
	MessageID string `json:"message_id" river:"unique"`
}

// Kind names the job.
func (SendMessage) Kind() string { return "send_message" }

// SendDigest makes one message of those that are held for one member and whose time has
// come.
type SendDigest struct {
	AccountID string `json:"account_id" river:"unique"`
	UserID    string `json:"user_id" river:"unique"`
}

// Kind names the job.
func (SendDigest) Kind() string { return "send_digest" }

// SendUpdate makes the messages of a product update for the members of one account who are
// to get it.
type SendUpdate struct {
	AccountID string `json:"account_id" river:"unique"`
	UpdateID  string `json:"update_id" river:"unique"`
}

// Kind names the job.
func (SendUpdate) Kind() string { return "send_update" }

// ReportStopped tells an account that mail to a member is stopped.
type ReportStopped struct {
	AccountID string `json:"account_id" river:"unique"`
	EventID   string `json:"event_id" river:"unique"`
}

// Kind names the job.
func (ReportStopped) Kind() string { return "report_stopped" }

// ReportEnd tells an account of a session in it that its person ended from another account.
// The tick enqueues it, which is no account's.
type ReportEnd struct {
	AccountID string `json:"account_id" river:"unique"`
	SessionID string `json:"session_id" river:"unique"`
}

// Kind names the job.
func (ReportEnd) Kind() string { return "report_end" }

// ApplyBilling asks the payment processor how the account's subscription stands, and
// stores that. A notification of the processor enqueues it.
type ApplyBilling struct {
	AccountID string `json:"account_id"`
}

// Kind names the job.
func (ApplyBilling) Kind() string { return "apply_billing" }

// RenewKeyring does to an account's keyring what was asked for: a new data key, another
// wrapping, escrows; and puts it into the bucket.
type RenewKeyring struct {
	AccountID string `json:"account_id"`
}

// Kind names the job.
func (RenewKeyring) Kind() string { return "renew_keyring" }

// DeleteAccount tells the owners of a deletion that was asked for, waits until it is due,
// destroys the account's keyring, and removes the rest.
type DeleteAccount struct {
	AccountID  string `json:"account_id" river:"unique"`
	DeletionID string `json:"deletion_id" river:"unique"`
}

// Kind names the job.
func (DeleteAccount) Kind() string { return "delete_account" }

// MakeDemo makes an account's demo org in the operator's simulator, connects it, and plays
// the story in it.
type MakeDemo struct {
	AccountID    string `json:"account_id" river:"unique"`
	ConnectionID string `json:"connection_id" river:"unique"`
}

// Kind names the job.
func (MakeDemo) Kind() string { return "make_demo" }

// SwitchDemo switches the service app of a demo org that restores, as its admin would, to
// what the connection's row says.
type SwitchDemo struct {
	AccountID    string `json:"account_id"`
	ConnectionID string `json:"connection_id"`
}

// Kind names the job.
func (SwitchDemo) Kind() string { return "switch_demo" }

// RemoveDemo removes the org, and the snapshots, of a demo connection that is gone.
type RemoveDemo struct {
	AccountID    string `json:"account_id" river:"unique"`
	ConnectionID string `json:"connection_id" river:"unique"`
}

// Kind names the job.
func (RemoveDemo) Kind() string { return "remove_demo" }

// RunSchedules is the worker's tick: it queues the snapshots whose time has come,
// and clears away what has expired. It is no account's.
type RunSchedules struct{}

// Kind names the job.
func (RunSchedules) Kind() string { return "run_schedules" }

// ReportFailure tells an account what went wrong without anybody looking: something that
// should have happened by itself did not, or a sign-in was refused. One of the IDs says
// what. The tick enqueues it, which is no account's.
type ReportFailure struct {
	AccountID    string `json:"account_id" river:"unique"`
	SnapshotID   string `json:"snapshot_id" river:"unique"`       // was given up
	RestoreID    string `json:"restore_id" river:"unique"`        // was given up
	ConnectionID string `json:"connection_id" river:"unique"`     // has had no snapshot for too long
	LogOf        string `json:"log_connection_id" river:"unique"` // the connection whose log nobody reads
	RefusalID    string `json:"refusal_id" river:"unique"`        // a refused sign-in of a member
}

// Kind names the job.
func (ReportFailure) Kind() string { return "report_failure" }

// EndSnooze opens a finding again whose snooze is over, if nothing else was said of it.
type EndSnooze struct {
	AccountID string `json:"account_id" river:"unique"`
	FindingID string `json:"finding_id" river:"unique"`
	WordID    string `json:"word_id" river:"unique"` // the row of finding_states that put it to sleep
}

// Kind names the job.
func (EndSnooze) Kind() string { return "end_snooze" }

// StartFollows is the drift monitor's tick: it enqueues FollowLog for ready
// connections whose log nobody follows. It is no account's.
type StartFollows struct{}

// Kind names the job.
func (StartFollows) Kind() string { return "start_follows" }
