package api

import (
	"context"
	"crypto/sha256"
	"fmt"
	"unicode"
	"unicode/utf8"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/proto"

	"imago/pkg/account"
	"imago/pkg/audit"
	"imago/pkg/envelope"
	"imago/pkg/postgres"
	"imago/pkg/postgres/activity"
	"imago/pkg/postgres/idempotency"
	"imago/pkg/postgres/sealed"
	"imago/pkg/postgres/signin"
	"imago/pkg/problem"
	"imago/services/api/internal/page"
	"imago/services/api/internal/wire"
)

// idempotencyHeader names a request, so that sending it again changes nothing more.
const idempotencyHeader = "Idempotency-Key"

// read runs a look at the caller's rows, if they are still signed in and may do what they
// ask for: a stream looks often, and people lose their roles.
func (s *Service) read(ctx context.Context, fn func(*postgres.Tx) error) error {
	q, in := requestOf(ctx), false
	err := s.DB.As(ctx, q.caller.proof, func(tx *postgres.Tx) error {
		in = true
		if err := permissions[q.procedure].admits(tx.Role(), tx.SteppedUp(), tx.Scopes()); err != nil {
			return err
		}
		return fn(tx)
	})
	if !in && problem.Is(err, problem.Denied) {
		return wire.NoSession()
	}
	return err
}

// keyring opens the keyring of the caller's account; call it outside of transactions.
func (s *Service) keyring(ctx context.Context) (*envelope.Keyring, error) {
	c := requestOf(ctx).caller
	return s.keyrings.Of(ctx, c.proof, c.account)
}

// work is one change on its way: the transaction, the account's keys, who asks.
type work struct {
	*postgres.Tx
	s    *Service
	ring *envelope.Keyring
	q    *request
}

// change runs a change in one transaction: the work itself, its activity rows, its
// jobs, and the answer under the request's idempotency key, if it has one. The same
// request with the same key gets the same answer, and nothing is done.
func change[Req, Res any](ctx context.Context, s *Service, r *connect.Request[Req], fn func(*work) (*Res, error)) (*connect.Response[Res], error) {
	ring, err := s.keyring(ctx)
	if err != nil {
		return nil, err
	}
	asked, err := identify(r)
	if err != nil {
		return nil, err
	}
	var res *Res
	err = s.read(ctx, func(tx *postgres.Tx) error {
		res = new(Res) // a transaction that lost a race runs again
		w := &work{tx, s, ring, requestOf(ctx)}
		answered, err := w.answered(ctx, asked, message(res))
		if err != nil || answered {
			return err
		}
		if res, err = fn(w); err != nil {
			return err
		}
		return w.keep(ctx, asked, message(res))
	})
	if err != nil {
		return nil, err
	}
	return connect.NewResponse(res), nil
}

// replay is the answer that a request had before under its idempotency key; nil if it
// had none. It is for an RPC that asks or looks elsewhere before its change, so that the
// same request gets the same answer though what it found there is another by then.
func replay[Res, Req any](ctx context.Context, s *Service, r *connect.Request[Req]) (*connect.Response[Res], error) {
	asked, err := identify(r)
	if err != nil || asked.Key == "" {
		return nil, err
	}
	ring, err := s.keyring(ctx)
	if err != nil {
		return nil, err
	}
	var before idempotency.Response
	var done bool
	err = s.read(ctx, func(tx *postgres.Tx) (err error) {
		before, done, err = idempotency.Find(ctx, tx, asked)
		return err
	})
	if err != nil || !done {
		return nil, err
	}
	res := new(Res)
	return connect.NewResponse(res), unseal(ring, requestOf(ctx).caller.user, asked.Key, before, message(res))
}

// identify reads the idempotency key of a request; its Key is "" if there is none.
func identify[Req any](r *connect.Request[Req]) (idempotency.Request, error) {
	key := r.Header().Get(idempotencyHeader)
	if key == "" {
		return idempotency.Request{}, nil
	}
	if utf8.RuneCountInString(key) > 200 || !printable(key) {
		return idempotency.Request{}, problem.InField(idempotencyHeader, "it is not a key").
			WithHint("send up to 200 printable characters, such as a new UUID")
	}
	b, err := proto.MarshalOptions{Deterministic: true}.Marshal(message(r.Msg))
	if err != nil {
		return idempotency.Request{}, fmt.Errorf("marshal %s: %w", r.Spec().Procedure, err)
	}
	return idempotency.Request{Key: key, Method: r.Spec().Procedure, Hash: sha256.Sum256(b)}, nil
}

func printable(s string) bool {
	for _, r := range s {
		if !unicode.IsPrint(r) {
			return false
		}
	}
	return utf8.ValidString(s)
}

// message sees a generated struct as what it is; every Req and Res of the contract is one.
func message(m any) proto.Message {
	p, ok := m.(proto.Message)
	if !ok {
		panic(fmt.Sprintf("%T is no message", m))
	}
	return p
}

// answered takes the request's key, or reads the answer that it had into res.
func (w *work) answered(ctx context.Context, r idempotency.Request, res proto.Message) (bool, error) {
	if r.Key == "" {
		return false, nil
	}
	before, done, err := idempotency.Reserve(ctx, w.Tx, r)
	if err != nil || !done {
		return false, err
	}
	return true, unseal(w.ring, w.User(), r.Key, before, res)
}

// unseal opens an answer that was kept.
func unseal(ring *envelope.Keyring, user account.UserID, key string, kept idempotency.Response, res proto.Message) error {
	plain, err := sealed.Response(user, key).OpenBytes(ring, kept.Body)
	if err != nil {
		return err
	}
	return proto.Unmarshal(plain, res)
}

// keep stores the answer, sealed: it may show directory data.
func (w *work) keep(ctx context.Context, r idempotency.Request, res proto.Message) error {
	if r.Key == "" {
		return nil
	}
	plain, err := proto.Marshal(res)
	if err != nil {
		return fmt.Errorf("marshal %s: %w", r.Method, err)
	}
	body, err := sealed.Response(w.User(), r.Key).SealBytes(w.ring, plain)
	if err != nil {
		return err
	}
	return idempotency.Store(ctx, w.Tx, r.Key, idempotency.Response{Body: body})
}

// record adds a row to the account's activity log; do it last, the log is held from
// then on.
func (w *work) record(ctx context.Context, action, targetType, targetID, detail string) error {
	who, err := signin.Current(ctx, w.Tx)
	if err != nil {
		return err
	}
	e := audit.Entry{Time: w.s.now(), Action: action, TargetType: targetType, TargetID: targetID, RequestID: w.q.id}
	e.Sealed, err = sealed.Activity(e).Seal(w.ring, audit.Who{
		Actor: actor(who), UserID: string(who.UserID), SourceIP: w.q.ip, Detail: detail,
	})
	if err != nil {
		return err
	}
	_, err = activity.Append(ctx, w.Tx, e)
	return err
}

// actor names who acts, and the token that acts for them.
func actor(s signin.Session) string {
	if s.TokenName == "" {
		return s.Email
	}
	return s.Email + ", by the token " + s.TokenName
}

// mac authenticates cursors under a key of the account.
func mac(ring *envelope.Keyring) page.MAC {
	return func(data []byte) []byte {
		h := ring.MAC("page_token")
		h.Write(data) // a hash.Hash never fails
		return h.Sum(nil)
	}
}

// in says which of the request's fields named something that is not there.
func in(field, hint string, err error) error {
	p := problem.Of(err)
	if p == nil || p.Kind != problem.NotFound || p.Field != "" {
		return err
	}
	named := *p
	named.Field = field
	named.Hint = orDefault(named.Hint, hint)
	return &named
}
