package work

import (
	"context"
	"time"

	"imago/pkg/audit"
	"imago/pkg/envelope"
	"imago/pkg/postgres"
	"imago/pkg/postgres/activity"
	"imago/pkg/postgres/sealed"
)

// Event is something that a job did, for the account's activity log.
type Event struct {
	At         time.Time
	Action     string // verb_noun: "complete_snapshot"
	TargetType string // "snapshot"
	TargetID   string
	Detail     string // one sentence; stored sealed
}

// Record writes the event in the transaction of what it is about; append it last, since
// it holds the end of the log. The actor is Imago itself.
func (u Unit) Record(ctx context.Context, tx *postgres.Tx, ring *envelope.Keyring, e Event) error {
	entry := audit.Entry{Time: e.At, Action: e.Action, TargetType: e.TargetType, TargetID: e.TargetID, RequestID: u.Name()}
	var err error
	if entry.Sealed, err = sealed.Activity(entry).Seal(ring, audit.Who{Actor: "imago", Detail: e.Detail}); err != nil {
		return err
	}
	_, err = activity.Append(ctx, tx, entry)
	return err
}
