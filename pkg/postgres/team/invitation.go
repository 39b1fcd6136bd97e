package team

import (
	"context"
	"time"

	"imago/pkg/account"
	"imago/pkg/job"
	"imago/pkg/postgres"
	"imago/pkg/postgres/internal/rows"
	"imago/pkg/problem"
)

// Invitation asks an address into the account. Its token is made by the job that mails
// it, and kept as a SHA-256 hash.
type Invitation struct {
	ID        string
	Email     string
	Role      account.Role
	InvitedBy string // address; "" when they are no member any more
	CreatedAt time.Time
	ExpiresAt time.Time
	SentAt    *time.Time // nil: the mail is under way
}

const open = `select i.id, i.email, i.role, coalesce(u.email, '') as invited_by, i.created_at, i.expires_at, i.sent_at
	from invitations i left join users u on u.id = i.invited_by
	where i.accepted_at is null and i.revoked_at is null`

// Invite asks an address into the account and enqueues the mail. Conflict: it is a
// member, or invited already.
func Invite(ctx context.Context, tx *postgres.Tx, email string, role account.Role) (Invitation, error) {
	_, is, err := rows.Maybe[struct{ ID string }](ctx, tx,
		`select m.user_id as id from members m join users u on u.id = m.user_id where u.email = $1`, email)
	if err != nil {
		return Invitation{}, err
	}
	if is {
		return Invitation{}, &problem.Problem{Kind: problem.Conflict, Field: "email", What: "they are a member already", Hint: "change their role instead"}
	}
	if _, err := rows.Exec(ctx, tx, `update invitations set revoked_at = now()
		where email = $1 and expires_at <= now() and accepted_at is null and revoked_at is null`, email); err != nil {
		return Invitation{}, err
	}
	made, err := rows.One[struct{ ID string }](ctx, tx, "invitation",
		`insert into invitations (account_id, email, role) values (current_account(), $1, $2) returning id`, email, role)
	if rows.Violates(err, "invitations_open_key") {
		return Invitation{}, &problem.Problem{Kind: problem.Conflict, Field: "email", What: "they are invited already", Hint: "send that invitation again, or revoke it"}
	}
	if err != nil {
		return Invitation{}, err
	}
	return mailed(ctx, tx, made.ID)
}

// Resend has an invitation mailed once more, with a new token and seven more days.
// OverLimit: it was mailed ten times.
func Resend(ctx context.Context, tx *postgres.Tx, id string) (Invitation, error) {
	err := rows.Must(ctx, tx, none("invitation"), `update invitations set mails = mails + 1
		where id = as_uuid($1) and accepted_at is null and revoked_at is null`, id)
	if rows.Violates(err, "invitations_mails_range") {
		return Invitation{}, problem.New(problem.OverLimit, "it was mailed ten times").WithHint("revoke it, and ask them by other means for the right address")
	}
	if err != nil {
		return Invitation{}, err
	}
	return mailed(ctx, tx, id)
}

func mailed(ctx context.Context, tx *postgres.Tx, id string) (Invitation, error) {
	if err := tx.Enqueue(ctx, job.SendInvitation{AccountID: string(tx.Account()), InvitationID: id}); err != nil {
		return Invitation{}, err
	}
	return invitation(ctx, tx, id)
}

func invitation(ctx context.Context, tx *postgres.Tx, id string) (Invitation, error) {
	return rows.One[Invitation](ctx, tx, "invitation", open+` and i.id = as_uuid($1)`, id)
}

// Invitations lists those that nobody has accepted or revoked, newest first.
func Invitations(ctx context.Context, tx *postgres.Tx) ([]Invitation, error) {
	return rows.All[Invitation](ctx, tx, open+` order by i.created_at desc, i.id desc`)
}

// Revoke makes an invitation worthless, and answers what it was.
func Revoke(ctx context.Context, tx *postgres.Tx, id string) (Invitation, error) {
	was, err := invitation(ctx, tx, id)
	if err != nil {
		return was, err
	}
	return was, rows.Must(ctx, tx, none("invitation"), `update invitations set revoked_at = now()
		where id = as_uuid($1) and accepted_at is null and revoked_at is null`, id)
}

// Accept takes the person whose session was presented into the account of the invitation
// with that token. Denied: it is not for their address, or worth nothing any more.
func Accept(ctx context.Context, tx *postgres.Tx, token [32]byte) (account.ID, error) {
	in, err := rows.One[struct{ ID account.ID }](ctx, tx, "invitation", `select accept_invitation($1) as id`, token[:])
	return in.ID, rows.Problem(err)
}

// AcceptWithCode does so for the person whose sign-in code Check found right: call it as
// postgres.Nobody, in the transaction of OpenSession.
func AcceptWithCode(ctx context.Context, tx *postgres.Tx, attemptID string, client, token [32]byte) (account.ID, error) {
	in, err := rows.One[struct{ ID account.ID }](ctx, tx, "invitation",
		`select accept_with_code(as_uuid($1), $2, $3) as id`, attemptID, client[:], token[:])
	return in.ID, rows.Problem(err)
}

// Accepted is an invitation that was accepted.
type Accepted struct {
	ID   string
	Role account.Role
}

// TakeAccepted reads the invitations that the signed-in person has accepted and the
// activity log does not know of, each once: add the rows in the same transaction.
func TakeAccepted(ctx context.Context, tx *postgres.Tx) ([]Accepted, error) {
	return rows.All[Accepted](ctx, tx, `update invitations set told_at = now()
		where accepted_by = current_user_id() and told_at is null returning id, role`)
}

// Letter is what the mail of an invitation says.
type Letter struct {
	Email     string
	Role      account.Role
	Account   string // its name
	InvitedBy string // address
	ExpiresAt time.Time
}

// SetToken stores the hash of the token that the running send_invitation job is about to
// mail, and tells what the mail is to say. NotFound: there is nothing to send any more.
func SetToken(ctx context.Context, tx *postgres.Tx, id string, token [32]byte) (Letter, error) {
	return rows.One[Letter](ctx, tx, "invitation to send", `
		with s as (
			update invitations set token_hash = $2
			where id = as_uuid($1) and accepted_at is null and revoked_at is null and expires_at > now()
			returning email, role, account_id, invited_by, expires_at)
		select s.email, s.role, a.name as account, u.email as invited_by, s.expires_at
		from s join accounts a on a.id = s.account_id join users u on u.id = s.invited_by`, id, token[:])
}

// SetSent says that the invitation was mailed.
func SetSent(ctx context.Context, tx *postgres.Tx, id string) error {
	return rows.Must(ctx, tx, none("invitation"), `update invitations set sent_at = now() where id = as_uuid($1)`, id)
}
