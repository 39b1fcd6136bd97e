// Package idempotency answers a request that is sent again with the answer that it
// had, and does nothing twice.
package idempotency

import (
	"context"
	"crypto/sha256"

	"imago/pkg/postgres"
	"imago/pkg/postgres/internal/rows"
	"imago/pkg/problem"
)

// Request is what a key stands for.
type Request struct {
	Key    string            // as the client chose it: 1 to 200 characters
	Method string            // the RPC
	Hash   [sha256.Size]byte // of the request's message
}

// Response is the answer that was given.
type Response struct {
	Status int    // the api's own code; 0 is a good one
	Body   []byte // sealed by the api
}

// Reserve takes the key for the request, in the transaction of the work itself, and in
// the name of whoever is signed in. When the request was answered before, the answer is
// given and done is true: do nothing. Whoever sends the same at the same moment waits
// here until the first has committed.
//
// A key that stood for another request, or whose work was begun and never answered, is
// a Conflict.
func Reserve(ctx context.Context, tx *postgres.Tx, r Request) (before Response, done bool, err error) {
	n, err := rows.Exec(ctx, tx, `
		insert into idempotency_keys (account_id, user_id, key, method, request_hash)
		values ($1, $2, $3, $4, $5)
		on conflict (account_id, user_id, key) do nothing`, tx.Account(), tx.User(), r.Key, r.Method, r.Hash[:])
	if err != nil || n == 1 {
		return before, false, err
	}
	before, done, err = Find(ctx, tx, r)
	if err == nil && !done { // it was there a moment ago, and its day is over
		err = problem.New(problem.Conflict, "the request with that idempotency key has just been forgotten").
			WithHint("try again")
	}
	return before, done, err
}

// Find gives the answer that a request had before, if it had one; otherwise it is as
// Reserve, and takes nothing.
func Find(ctx context.Context, tx *postgres.Tx, r Request) (before Response, done bool, err error) {
	known, found, err := rows.Maybe[struct {
		Method      string
		RequestHash []byte
		Status      *int
		Response    []byte
	}](ctx, tx, `select method, request_hash, status, response from idempotency_keys
		where account_id = $1 and user_id = $2 and key = $3`, tx.Account(), tx.User(), r.Key)
	switch {
	case err != nil || !found:
		return before, false, err
	case known.Method != r.Method || string(known.RequestHash) != string(r.Hash[:]):
		return before, false, reused()
	case known.Status == nil:
		return before, false, problem.New(problem.Conflict, "the request with that idempotency key is still being answered").
			WithHint("try again in a moment")
	}
	return Response{*known.Status, known.Response}, true, nil
}

func reused() error {
	p := problem.New(problem.Conflict, "it stood for another request before").WithHint("choose a new key")
	p.Field = "Idempotency-Key"
	return p
}

// Store keeps the answer for a day.
func Store(ctx context.Context, tx *postgres.Tx, key string, answer Response) error {
	return rows.Must(ctx, tx, problem.New(problem.NotFound, "that idempotency key was not reserved"), `
		update idempotency_keys set status = $4, response = $5
		where account_id = $1 and user_id = $2 and key = $3`, tx.Account(), tx.User(), key, answer.Status, answer.Body)
}
