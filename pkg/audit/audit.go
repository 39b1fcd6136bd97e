// Package audit is the activity log's chain: each row commits to the one before it
// and to its own sealed bytes, so that a row that was changed, left out, added or
// moved is found, also after the key to who did it was destroyed. It is pure.
package audit

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"iter"
	"time"

	"imago/pkg/account"
)

// Entry is one thing that was done. What identifies a person (Who) is sealed before
// it comes here, under the account's key.
type Entry struct {
	Time       time.Time // to the microsecond, as Postgres keeps it
	Action     string    // verb_noun: "approve_restore"
	TargetType string    // "restore"; "" if nothing in particular
	TargetID   string
	RequestID  string // of the api, or of the job: "job 42"
	Sealed     []byte // Who, as JSON, sealed
}

// Who is what of an entry identifies a person, or describes a customer's org. It is
// stored sealed and only sealed.
type Who struct {
	Actor    string `json:"actor"`               // a mail address, or "imago" for the service itself
	UserID   string `json:"user_id,omitempty"`   // of the actor
	SourceIP string `json:"source_ip,omitempty"` // of the request
	Detail   string `json:"detail,omitempty"`    // one sentence
}

// Hash is a link of the chain.
type Hash [sha256.Size]byte

// String renders the hash in hex.
func (h Hash) String() string { return hex.EncodeToString(h[:]) }

// Row is an entry in its place in an account's chain.
type Row struct {
	Account account.ID
	Seq     int64 // from 1, without a hole
	Entry
	Prev Hash // of the row before; zero at the first
	Hash Hash
}

// Head is where a chain ends. Its zero value is the start of every chain.
type Head struct {
	Seq  int64
	Hash Hash
}

// Next gives the entry its place after the head.
func Next(of account.ID, after Head, e Entry) Row {
	e.Time = e.Time.UTC().Truncate(time.Microsecond)
	r := Row{Account: of, Seq: after.Seq + 1, Entry: e, Prev: after.Hash}
	r.Hash = r.sum()
	return r
}

// sum is SHA-256 over a tag, then every part with its length before it (eight bytes,
// big-endian), so that nothing can move from one part to the next: previous hash,
// account, sequence, time in microseconds, action, target's type and ID, request ID,
// sealed bytes.
func (r Row) sum() Hash {
	var message []byte
	add := func(part []byte) {
		message = binary.BigEndian.AppendUint64(message, uint64(len(part)))
		message = append(message, part...)
	}
	add([]byte("imago activity 1"))
	add(r.Prev[:])
	add([]byte(r.Account))
	add(binary.BigEndian.AppendUint64(nil, uint64(r.Seq)))
	add(binary.BigEndian.AppendUint64(nil, uint64(r.Time.UnixMicro())))
	for _, s := range []string{r.Action, r.TargetType, r.TargetID, r.RequestID} {
		add([]byte(s))
	}
	add(r.Sealed)
	return sha256.Sum256(message)
}

// Broken says where a chain does not hold, and how.
type Broken struct {
	Seq  int64 // the first row that is wrong, or is missing
	What string
}

// Error names the row.
func (b *Broken) Error() string { return fmt.Sprintf("activity %d: %s", b.Seq, b.What) }

// Verify walks an account's rows in order from just after a head that is trusted (zero:
// from the start) and gives the head that they lead to. The first thing that is wrong
// is a *Broken; an error of the sequence itself is passed on. To find out that rows
// were cut off at the end, compare the head with one that was kept elsewhere.
func Verify(of account.ID, from Head, rows iter.Seq2[Row, error]) (Head, error) {
	head := from
	for row, err := range rows {
		if err != nil {
			return head, err
		}
		if what := row.wrong(of, head); what != "" {
			return head, &Broken{Seq: head.Seq + 1, What: what}
		}
		head = Head{Seq: row.Seq, Hash: row.Hash}
	}
	return head, nil
}

// wrong says why a row cannot follow the head; "" if it can.
func (r Row) wrong(of account.ID, head Head) string {
	switch {
	case r.Account != of:
		return "it is another account's"
	case r.Seq != head.Seq+1:
		return fmt.Sprintf("row %d stands in its place", r.Seq)
	case r.Prev != head.Hash:
		return "it does not follow the row before it"
	case r.Hash != r.sum():
		return "it is not what was written"
	}
	return ""
}
