package signin

import (
	"context"
	"time"

	"imago/pkg/account"
	"imago/pkg/postgres"
	"imago/pkg/postgres/internal/rows"
	"imago/pkg/problem"
)

// Device is a machine that waits to be let in by a person in a browser (RFC 8628).
type Device struct {
	ID        string
	Origin    []byte // where it asked from: a Place, sealed (sealed.Device)
	CreatedAt time.Time
	ExpiresAt time.Time
}

// Asked is the beginning of a device's sign-in: its ID is a new UUID, its codes come as
// hashes.
type Asked struct {
	ID         string
	Code, User Hash
	Place      Hash
	Origin     []byte
}

// Waiting says until when a device may ask, and how long it waits between two questions.
type Waiting struct {
	ExpiresAt    time.Time
	EverySeconds int32
}

// BeginDevice begins the sign-in of a device: as postgres.Nobody. OverLimit: more than
// twenty in an hour from one place.
func BeginDevice(ctx context.Context, tx *postgres.Tx, a Asked) (Waiting, error) {
	return rows.One[Waiting](ctx, tx, "device", `select expires_at, every_seconds from begin_device(as_uuid($1), $2, $3, $4, $5)`,
		a.ID, a.Code[:], a.User[:], a.Place[:], a.Origin)
}

// FindDevice finds what waits under a user code; false: nothing does. Commit the
// transaction all the same, or the try is not counted. OverLimit: ten wrong codes in ten
// minutes.
func FindDevice(ctx context.Context, tx *postgres.Tx, user Hash) (Device, bool, error) {
	return rows.Maybe[Device](ctx, tx, `select id, origin, created_at, expires_at from find_device($1)`, user[:])
}

// ApproveDevice lets a device in as the person of the presented session, which has stepped
// up. Stale: it waits no more.
func ApproveDevice(ctx context.Context, tx *postgres.Tx, id string) error {
	answer, err := rows.One[struct{ Done bool }](ctx, tx, "device", `select approve_device(as_uuid($1)) as done`, id)
	return waitsNoMore(answer.Done, err)
}

// DenyDevice refuses a device for good. Stale: it waits no more.
func DenyDevice(ctx context.Context, tx *postgres.Tx, id string) error {
	answer, err := rows.One[struct{ Done bool }](ctx, tx, "device", `select deny_device(as_uuid($1)) as done`, id)
	return waitsNoMore(answer.Done, err)
}

func waitsNoMore(done bool, err error) error {
	if err == nil && !done {
		return problem.New(problem.Stale, "it waits no more").WithHint("begin again on the machine that wants in")
	}
	return err
}

// DeviceAnswer is what a device learns: one of pending, slow_down, denied, expired and
// approved, with which its session is open.
type DeviceAnswer struct {
	Status       string
	EverySeconds int32
	AccountID    *account.ID
	ExpiresAt    *time.Time
}

// OpenDevice answers a device that asks whether it is let in, and opens its session under
// the token, once: as postgres.Nobody.
func OpenDevice(ctx context.Context, tx *postgres.Tx, code, token Hash, idle, life time.Duration) (DeviceAnswer, error) {
	return rows.One[DeviceAnswer](ctx, tx, "answer",
		`select status, every_seconds, account_id, expires_at from open_device($1, $2, $3, $4)`, code[:], token[:], idle, life)
}
