package catalogue

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"imago/pkg/audit"
	"imago/pkg/envelope"
	"imago/pkg/postgres/internal/rows"
	"imago/pkg/postgres/sealed"
	"imago/pkg/problem"
	"imago/pkg/snapshot"
)

// Batch is a part of what the bucket knows of one account.
type Batch struct {
	Keyring *envelope.Keyring // as the bucket has it
	Name    string            // what to call the account
	Since   time.Time         // since when it is known
	Was     []byte            // the keyring of the catalogue, if the bucket's is newer
	Owner   string            // the address of who is to own it, if nobody does; "": nobody
	// The connection that the snapshots are of, as one of its manifests tells.
	Connection *snapshot.Manifest
	Snapshots  []Snapshot
	At         time.Time // now
}

// Snapshot is one as its manifest tells.
type Snapshot struct {
	snapshot.Manifest
	Digest string // of the sealed manifest
}

func (b Batch) putAccount(ctx context.Context, tx pgx.Tx, m *Made) error {
	id := b.Keyring.Account()
	err := tx.QueryRow(ctx, `select rebuild_account($1, $2, $3, $4)`, id, b.Name, b.Since, b.Keyring.Wrapped()).Scan(&m.Account)
	if err != nil || len(b.Was) == 0 {
		return err
	}
	return tx.QueryRow(ctx, `select rebuild_keyring($1, $2, $3)`, id, b.Was, b.Keyring.Wrapped()).Scan(&m.Keyring)
}

func (b Batch) putOwner(ctx context.Context, tx pgx.Tx, m *Made) error {
	if b.Owner == "" {
		return nil
	}
	return tx.QueryRow(ctx, `select rebuild_owner($1, $2)`, b.Keyring.Account(), b.Owner).Scan(&m.Owner)
}

func (b Batch) putConnection(ctx context.Context, tx pgx.Tx, m *Made) error {
	if b.Connection == nil {
		return nil
	}
	why, err := rows.ProblemJSON(problem.New(problem.Denied, "the connection came back from the bucket, which does not hold its credentials").
		WithHint("give it new keys: imago connect NAME --new-key"))
	if err != nil {
		return err
	}
	row, err := json.Marshal(map[string]any{
		"id": b.Connection.Connection, "name": OrgHost(b.Connection.Org), "provider": b.Connection.Provider, "org_url": b.Connection.Org,
		"org_id": b.Connection.OrgID, "engine": b.Connection.Engine, "created_at": b.Since, "problem": json.RawMessage(why),
	})
	if err != nil {
		return err
	}
	return tx.QueryRow(ctx, `select rebuild_connection($1, $2)`, b.Keyring.Account(), row).Scan(&m.Connection)
}

// OrgHost is what an org is called where nobody says otherwise.
func OrgHost(org string) string {
	u, err := url.Parse(org)
	if err != nil || u.Host == "" {
		return org
	}
	return u.Host
}

func (b Batch) putSnapshots(ctx context.Context, tx pgx.Tx, m *Made) error {
	if len(b.Snapshots) == 0 {
		return nil
	}
	found := make([]snapshotRow, 0, len(b.Snapshots))
	for _, s := range b.Snapshots {
		found = append(found, s.row())
	}
	text, err := json.Marshal(found)
	if err != nil {
		return err
	}
	return tx.QueryRow(ctx, `select rebuild_snapshots($1, $2, $3)`, b.Keyring.Account(), b.Connection.Connection, text).Scan(&m.Snapshots)
}

// snapshotRow is a row as rebuild_snapshots takes it.
type snapshotRow struct {
	ID             string    `json:"id"`
	Trigger        string    `json:"trigger"`
	State          string    `json:"state"`
	StartedAt      time.Time `json:"started_at"`
	EndedAt        time.Time `json:"ended_at"`
	ManifestDigest string    `json:"manifest_digest"`
	Objects        int64     `json:"objects"`
	Bytes          int64     `json:"bytes"`
	PlainBytes     int64     `json:"plain_bytes"`
	Calls          int64     `json:"calls"`
	Gaps           int       `json:"gaps"`
	Types          []typeRow `json:"types"`
}

// typeRow is what a row says of one type, as package snapshots reads it.
type typeRow struct {
	Type    string         `json:"type"`
	Objects int64          `json:"objects"`
	Calls   int64          `json:"calls"`
	Done    bool           `json:"done"`
	Gaps    []snapshot.Gap `json:"gaps,omitempty"`
}

// row words a snapshot. Why a sweep was taken, and for whom, no manifest tells.
func (s Snapshot) row() snapshotRow {
	r := snapshotRow{
		ID: s.ID, Trigger: "schedule", State: "complete", StartedAt: s.Started.Truncate(time.Microsecond), EndedAt: s.Ended.Truncate(time.Microsecond),
		ManifestDigest: s.Digest, Objects: s.Objects(), Bytes: s.Added(), Types: []typeRow{},
	}
	if s.Point {
		r.Trigger = "change"
	}
	for _, t := range s.Types {
		r.Calls += t.Calls
		r.Types = append(r.Types, typeRow{string(t.Type), t.Objects, t.Calls, true, t.Gaps})
	}
	for _, g := range s.Manifest.Gaps() {
		if g.Missing() {
			r.Gaps++
			r.State = "partial"
		}
	}
	for _, g := range s.Segments {
		if g.Folder == snapshot.Folder(s.Started, s.ID) {
			r.PlainBytes += g.Plain
		}
	}
	return r
}

// tell adds to the account's activity log what was put back. That is the log's first row
// where it was lost, too.
func (b Batch) tell(ctx context.Context, tx pgx.Tx, m Made) error {
	id := b.Keyring.Account()
	var head audit.Head
	var hash []byte
	if err := tx.QueryRow(ctx, `select seq, hash from rebuild_head($1)`, id).Scan(&head.Seq, &hash); err != nil {
		return err
	}
	head.Hash = audit.Hash(hash)
	e := audit.Entry{Time: b.At, Action: "rebuild_catalogue", TargetType: "account", TargetID: string(id), RequestID: "imago repo rebuild"}
	if b.Connection != nil {
		e.TargetType, e.TargetID = "connection", b.Connection.Connection
	}
	var err error
	if e.Sealed, err = sealed.Activity(e).Seal(b.Keyring, audit.Who{Actor: "the operator", Detail: b.told(m)}); err != nil {
		return err
	}
	r := audit.Next(id, head, e)
	row, err := json.Marshal(map[string]any{
		"account_id": id, "seq": r.Seq, "at": r.Time, "target_type": r.TargetType, "target_id": r.TargetID, "request_id": r.RequestID,
	})
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `select rebuild_told($1, $2, $3, $4)`, row, r.Sealed, r.Prev[:], r.Hash[:])
	return err
}

// told says what was put back.
func (b Batch) told(m Made) string {
	var parts []string
	say := func(made bool, format string, args ...any) {
		if made {
			parts = append(parts, fmt.Sprintf(format, args...))
		}
	}
	say(m.Account, "the account")
	say(m.Keyring, "the newer keyring")
	say(m.Owner, "%s as its owner", b.Owner)
	say(m.Connection, "the connection to %s", connectionOrg(b.Connection))
	say(m.Snapshots > 0, "%d of its snapshots", m.Snapshots)
	return "put back from the bucket: " + strings.Join(parts, ", ")
}

func connectionOrg(m *snapshot.Manifest) string {
	if m == nil {
		return ""
	}
	return m.Org
}
