// Package activity keeps an account's activity log: only ever added to, chained by
// hash (package audit), what identifies a person sealed.
package activity

import (
	"context"
	"fmt"
	"iter"
	"strconv"
	"time"

	"imago/pkg/account"
	"imago/pkg/audit"
	"imago/pkg/postgres"
	"imago/pkg/postgres/internal/rows"
	"imago/pkg/problem"
)

// Append adds an entry to the account's log, in the transaction of what it is about.
// The log's end is held until the transaction ends, so append last. An action outside
// of any account is an error: it belongs to nobody's log.
func Append(ctx context.Context, tx *postgres.Tx, e audit.Entry) (audit.Row, error) {
	head, ok, err := rows.Maybe[headRow](ctx, tx, `select seq, hash from lock_activity_head()`)
	if err != nil {
		return audit.Row{}, err
	}
	if !ok {
		return audit.Row{}, fmt.Errorf("append activity %s: the transaction is no account's", e.Action)
	}
	if e.Sealed == nil {
		e.Sealed = []byte{}
	}
	r := audit.Next(tx.Account(), head.head(), e)
	_, err = rows.Exec(ctx, tx, `
		insert into activity_logs (account_id, seq, at, action, target_type, target_id, request_id, sealed, prev_hash, hash)
		values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`,
		r.Account, r.Seq, r.Time, r.Action, r.TargetType, r.TargetID, r.RequestID, r.Sealed, r.Prev[:], r.Hash[:])
	return r, err
}

type headRow struct {
	Seq  int64
	Hash []byte
}

func (h headRow) head() audit.Head { return audit.Head{Seq: h.Seq, Hash: audit.Hash(h.Hash)} }

// Head reads where the log ends: for imago_api.
func Head(ctx context.Context, tx *postgres.Tx) (audit.Head, error) {
	h, ok, err := rows.Maybe[headRow](ctx, tx, `select seq, hash from activity_heads`)
	if err != nil || !ok {
		return audit.Head{}, err
	}
	return h.head(), nil
}

type row struct {
	AccountID  account.ID
	Seq        int64
	At         time.Time
	Action     string
	TargetType string
	TargetID   string
	RequestID  string
	Sealed     []byte
	PrevHash   []byte
	Hash       []byte
}

func (r row) row() audit.Row {
	return audit.Row{
		Account: r.AccountID, Seq: r.Seq, Prev: audit.Hash(r.PrevHash), Hash: audit.Hash(r.Hash),
		Entry: audit.Entry{Time: r.At, Action: r.Action, TargetType: r.TargetType, TargetID: r.TargetID,
			RequestID: r.RequestID, Sealed: r.Sealed},
	}
}

const columns = `account_id, seq, at, action, target_type, target_id, request_id, sealed, prev_hash, hash`

// List lists the log, newest first; Page.Before is a sequence number.
func List(ctx context.Context, tx *postgres.Tx, p postgres.Page) ([]audit.Row, error) {
	before := int64(1<<62 - 1)
	if p.Before != "" {
		n, err := strconv.ParseInt(p.Before, 10, 64)
		if err != nil {
			return nil, problem.InField("page_token", "it is no activity's number").Because(err)
		}
		before = n
	}
	found, err := rows.All[row](ctx, tx, `select `+columns+` from activity_logs where seq < $1 order by seq desc limit $2`,
		before, p.Most())
	if err != nil {
		return nil, err
	}
	out := make([]audit.Row, 0, len(found))
	for _, f := range found {
		out = append(out, f.row())
	}
	return out, nil
}

// Walk reads the log from just after a sequence number, oldest first, some hundred rows
// at a time: what audit.Verify takes.
func Walk(ctx context.Context, tx *postgres.Tx, after int64) iter.Seq2[audit.Row, error] {
	const batch = 500
	return func(yield func(audit.Row, error) bool) {
		for {
			found, err := rows.All[row](ctx, tx, `select `+columns+` from activity_logs where seq > $1 order by seq limit $2`,
				after, batch)
			if err != nil {
				yield(audit.Row{}, fmt.Errorf("read activity log after %d: %w", after, err))
				return
			}
			for _, f := range found {
				if !yield(f.row(), nil) {
					return
				}
				after = f.Seq
			}
			if len(found) < batch {
				return
			}
		}
	}
}
