package api

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/url"
	"time"

	"connectrpc.com/connect"
	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/webauthn"
	"github.com/google/uuid"

	"imago/pkg/account"
	"imago/pkg/envelope"
	"imago/pkg/postgres"
	"imago/pkg/postgres/sealed"
	"imago/pkg/postgres/signin"
	"imago/pkg/problem"
	imagov1 "imago/proto/imago/v1"
	rpc "imago/proto/imago/v1/imagov1connect"
	"imago/services/api/internal/valid"
)

// passkeyService keeps people's passkeys (https://www.w3.org/TR/webauthn-3/). Their owner is
// verified at every use, so that one passkey is two factors.
type passkeyService struct{ *Service }

var _ rpc.PasskeyServiceHandler = passkeyService{}

func (s *Service) passkeys() passkeyService { return passkeyService{s} }

// relyingParty is what passkeys are made for: the console's host. Nil where it has none that
// passkeys can be bound to (WebAuthn, section 5.1.2: a domain, not an address).
func relyingParty(publicURL string) (*webauthn.WebAuthn, error) {
	u, err := url.Parse(publicURL)
	if err != nil || u.Hostname() == "" || net.ParseIP(u.Hostname()) != nil {
		return nil, err
	}
	return webauthn.New(&webauthn.Config{
		RPID: u.Hostname(), RPDisplayName: "Imago", RPOrigins: []string{publicURL},
		AttestationPreference: protocol.PreferNoAttestation,
		AuthenticatorSelection: protocol.AuthenticatorSelection{
			ResidentKey: protocol.ResidentKeyRequirementRequired, UserVerification: protocol.VerificationRequired,
		},
	})
}

// holder is a person as the library knows one.
type holder struct {
	id      account.UserID
	address string
	keys    []key
}

// key is a passkey that was opened.
type key struct {
	id     string
	record record
	made   signin.Passkey
}

// record is what is kept of a passkey, sealed.
type record struct {
	Name       string              `json:"name"`
	Credential webauthn.Credential `json:"credential"`
}

var _ webauthn.User = holder{}

// WebAuthnID is the person's handle: it tells nothing of them.
func (h holder) WebAuthnID() []byte { return []byte(h.id) }

// WebAuthnName is what a browser calls the account that the passkey is for.
func (h holder) WebAuthnName() string { return h.address }

// WebAuthnDisplayName is the same: people have no names here.
func (h holder) WebAuthnDisplayName() string { return h.address }

// WebAuthnCredentials are the person's passkeys.
func (h holder) WebAuthnCredentials() (out []webauthn.Credential) {
	for _, k := range h.keys {
		out = append(out, k.record.Credential)
	}
	return out
}

// with finds the key whose credential has answered, as it is after its answer.
func (h holder) with(c *webauthn.Credential) (key, error) {
	for _, k := range h.keys {
		if string(k.record.Credential.ID) == string(c.ID) {
			k.record.Credential = *c
			return k, nil
		}
	}
	return key{}, fmt.Errorf("a passkey that was not the person's was taken")
}

func openKey(ring *envelope.Keyring, p signin.Passkey) (k key, err error) {
	k.id, k.made = p.ID, p
	return k, sealed.Passkey(p.ID).Open(ring, p.Record, &k.record)
}

// offered is an error where there are no passkeys.
func (s passkeyService) offered() error {
	if s.relying != nil {
		return nil
	}
	return problem.New(problem.Conflict, "this installation offers no passkeys: it has no address of its own").
		WithHint("its operator sets IMAGO_PUBLIC_URL to a name, not a number")
}

// person reads whose session it is, and their passkeys.
func (s passkeyService) person(ctx context.Context) (h holder, err error) {
	ring, err := s.keyrings.SignIn(ctx)
	if err != nil {
		return h, err
	}
	err = s.read(ctx, func(tx *postgres.Tx) (err error) {
		h = holder{id: tx.Person()}
		if h.address, err = signin.Address(ctx, tx); err != nil {
			return err
		}
		kept, err := signin.Passkeys(ctx, tx)
		if err != nil {
			return err
		}
		for _, p := range kept {
			k, err := openKey(ring, p)
			if err != nil {
				return err
			}
			h.keys = append(h.keys, k)
		}
		return nil
	})
	return h, err
}

// begin keeps what a browser is to be asked, and words it for the browser.
func (s passkeyService) begin(ctx context.Context, kind string, client signin.Hash, options any, data *webauthn.SessionData) (id, asked string, err error) {
	place, err := s.signIn().place(ctx, requestOf(ctx).ip)
	if err != nil {
		return "", "", err
	}
	kept, err := json.Marshal(data)
	if err != nil {
		return "", "", fmt.Errorf("keep a ceremony: %w", err)
	}
	text, err := json.Marshal(options)
	if err != nil {
		return "", "", fmt.Errorf("word a ceremony: %w", err)
	}
	err = s.ceremony(ctx, kind, func(tx *postgres.Tx) (err error) {
		id, err = signin.BeginCeremony(ctx, tx, kind, client, place, kept)
		return err
	})
	return id, string(text), err
}

// ceremony runs a transaction as who takes part in a ceremony of that kind.
func (s passkeyService) ceremony(ctx context.Context, kind string, fn func(*postgres.Tx) error) error {
	if kind == signin.CeremonySignIn {
		return s.DB.As(ctx, postgres.Nobody, fn)
	}
	return s.read(ctx, fn)
}

// take gives what a browser was asked; whatever it answered, it is not asked again.
func (s passkeyService) take(ctx context.Context, kind, id string, client signin.Hash) (data webauthn.SessionData, place []byte, err error) {
	if id, err = valid.ID("ceremony_id", id); err != nil {
		return data, nil, err
	}
	var c signin.Ceremony
	err = s.ceremony(ctx, kind, func(tx *postgres.Tx) (err error) {
		c, err = signin.TakeCeremony(ctx, tx, id, kind, client)
		return err
	})
	if err != nil {
		return data, nil, err
	}
	if err := json.Unmarshal(c.Data, &data); err != nil {
		return data, nil, fmt.Errorf("read a ceremony: %w", err)
	}
	return data, c.Place, nil
}

// refused words why a passkey's answer does not count; why in detail is nobody's business.
// What went wrong on our side stays what it is.
func refused(err error) error {
	if _, ok := errors.AsType[*protocol.Error](err); !ok {
		return err
	}
	return problem.InField("credential", "the passkey's answer does not count here").
		WithHint("begin again, at the address where you made the passkey")
}

// copied refuses a passkey whose counter went back (WebAuthn, section 6.1.1).
func copied(c *webauthn.Credential) error {
	if !c.Authenticator.CloneWarning {
		return nil
	}
	return problem.InField("credential", "the passkey's counter went back: it may have been copied").
		WithHint("sign in by another way, and remove this passkey")
}

func (s passkeyService) BeginPasskeySignIn(ctx context.Context, _ *connect.Request[imagov1.BeginPasskeySignInRequest]) (*connect.Response[imagov1.BeginPasskeySignInResponse], error) {
	if err := s.offered(); err != nil {
		return nil, err
	}
	options, data, err := s.relying.BeginDiscoverableLogin()
	if err != nil {
		return nil, fmt.Errorf("begin a ceremony: %w", err)
	}
	client := secret()
	id, asked, err := s.begin(ctx, signin.CeremonySignIn, hash(client), options.Response, data)
	if err != nil {
		return nil, err
	}
	return connect.NewResponse(&imagov1.BeginPasskeySignInResponse{CeremonyId: id, ClientSecret: client, Options: asked}), nil
}

func (s passkeyService) FinishPasskeySignIn(ctx context.Context, r *connect.Request[imagov1.FinishPasskeySignInRequest]) (*connect.Response[imagov1.FinishPasskeySignInResponse], error) {
	if err := s.offered(); err != nil {
		return nil, err
	}
	client, err := valid.Text("client_secret", r.Msg.GetClientSecret(), 200)
	if err != nil {
		return nil, err
	}
	data, place, err := s.take(ctx, signin.CeremonySignIn, r.Msg.GetCeremonyId(), hash(client))
	if err != nil {
		return nil, err
	}
	k, err := s.owner(ctx, data, r.Msg.GetCredential())
	if err != nil {
		s.metrics.signIns.WithLabelValues("refused").Inc()
		return nil, refused(err)
	}
	token := tokenPrefix + secret()
	session, err := s.letIn(ctx, k, attempt{client: client, cookie: r.Msg.GetCookie()}, place, token)
	if err != nil {
		return nil, err
	}
	s.metrics.signIns.WithLabelValues("let_in").Inc()
	res := connect.NewResponse(&imagov1.FinishPasskeySignInResponse{Session: sessionShape(session), ExpiresAt: stamp(session.ExpiresAt)})
	if r.Msg.GetCookie() {
		setCookie(res.Header(), token, session.ExpiresAt)
	} else {
		res.Msg.Token = token
	}
	return res, nil
}

// owner finds whose passkey has answered, and whether it answers for them.
func (s passkeyService) owner(ctx context.Context, data webauthn.SessionData, answer string) (k key, err error) {
	parsed, err := protocol.ParseCredentialRequestResponseBytes([]byte(answer))
	if err != nil {
		return k, err
	}
	ring, err := s.keyrings.SignIn(ctx)
	if err != nil {
		return k, err
	}
	var h holder
	var failed error // on our side: the library would take it for a wrong answer
	who := func(credential, handle []byte) (webauthn.User, error) {
		id, err := uuid.ParseBytes(handle)
		if err != nil {
			return nil, err
		}
		h = holder{id: account.UserID(id.String())}
		if k, err = s.find(ctx, ring, h.id, credential); err != nil && !problem.Is(err, problem.NotFound) {
			failed = err
		}
		h.keys = []key{k}
		return h, err
	}
	_, c, err := s.relying.ValidatePasskeyLogin(who, data, parsed)
	if failed != nil {
		return k, failed
	}
	if err == nil {
		err = copied(c)
	}
	if err != nil {
		return k, err
	}
	return h.with(c)
}

// find opens the passkey of a person with that credential. NotFound: they have none such.
func (s passkeyService) find(ctx context.Context, ring *envelope.Keyring, of account.UserID, credential []byte) (key, error) {
	var p signin.Passkey
	err := s.DB.As(ctx, postgres.Nobody, func(tx *postgres.Tx) (err error) {
		p.ID, p.Record, err = signin.FindPasskey(ctx, tx, of, sha256.Sum256(credential))
		return err
	})
	if err != nil {
		return key{}, err
	}
	return openKey(ring, p)
}

// letIn opens the session of a passkey that has answered: of its owner's oldest account.
func (s passkeyService) letIn(ctx context.Context, k key, a attempt, place []byte, token string) (session signin.Session, err error) {
	ring, err := s.keyrings.SignIn(ctx)
	if err != nil {
		return session, err
	}
	box, err := sealed.Passkey(k.id).Seal(ring, k.record)
	if err != nil {
		return session, err
	}
	o := s.signIn().opening(a, token)
	err = s.DB.As(ctx, postgres.Nobody, func(tx *postgres.Tx) error {
		var of []signin.Membership
		var err error
		if o.AttemptID, of, err = signin.SignInByPasskey(ctx, tx, k.id, box, o.Client, place); err != nil {
			return err
		}
		o.Account = of[0].Account
		_, err = signin.OpenSession(ctx, tx, o)
		return err
	})
	if err != nil {
		return session, err
	}
	return s.welcome(ctx, o.Account, o.Token)
}

func (s passkeyService) ListPasskeys(ctx context.Context, _ *connect.Request[imagov1.ListPasskeysRequest]) (*connect.Response[imagov1.ListPasskeysResponse], error) {
	h, err := s.person(ctx)
	if err != nil {
		return nil, err
	}
	out := &imagov1.ListPasskeysResponse{}
	for _, k := range h.keys {
		out.Passkeys = append(out.Passkeys, passkeyShape(k))
	}
	return connect.NewResponse(out), nil
}

func passkeyShape(k key) *imagov1.Passkey {
	out := &imagov1.Passkey{
		Id: k.id, Name: k.record.Name, CreatedAt: stamp(k.made.CreatedAt), Synced: k.record.Credential.Flags.BackupState,
	}
	if k.made.UsedAt != nil {
		out.UsedAt = stamp(*k.made.UsedAt)
	}
	return out
}

func (s passkeyService) BeginPasskeyRegistration(ctx context.Context, _ *connect.Request[imagov1.BeginPasskeyRegistrationRequest]) (*connect.Response[imagov1.BeginPasskeyRegistrationResponse], error) {
	if err := s.offered(); err != nil {
		return nil, err
	}
	if c := requestOf(ctx).caller; !c.waits && !c.steppedUp {
		return nil, stepUpFirst()
	}
	h, err := s.person(ctx)
	if err != nil {
		return nil, err
	}
	options, data, err := s.relying.BeginRegistration(h, webauthn.WithExclusions(webauthn.Credentials(h.WebAuthnCredentials()).CredentialDescriptors()))
	if err != nil {
		return nil, fmt.Errorf("begin a ceremony: %w", err)
	}
	id, asked, err := s.begin(ctx, signin.CeremonyRegister, signin.Hash{}, options.Response, data)
	if err != nil {
		return nil, err
	}
	return connect.NewResponse(&imagov1.BeginPasskeyRegistrationResponse{CeremonyId: id, Options: asked}), nil
}

// FinishPasskeyRegistration takes no idempotency key: the ceremony is good for one answer.
func (s passkeyService) FinishPasskeyRegistration(ctx context.Context, r *connect.Request[imagov1.FinishPasskeyRegistrationRequest]) (*connect.Response[imagov1.FinishPasskeyRegistrationResponse], error) {
	k, err := s.registered(ctx, r.Msg)
	if err != nil {
		return nil, err
	}
	ring, err := s.keyrings.SignIn(ctx)
	if err != nil {
		return nil, err
	}
	box, err := sealed.Passkey(k.id).Seal(ring, k.record)
	if err != nil {
		return nil, err
	}
	codes, hashes := recoveryCodes()
	var shown []string
	token, session, err := s.factors().rise(ctx, "add_passkey", func(tx *postgres.Tx, token signin.Hash) (*time.Time, error) {
		given, err := signin.SetRecoveryCodes(ctx, tx, hashes)
		if err != nil {
			return nil, err
		}
		if shown = nil; given {
			shown = codes
		}
		ends, err := signin.AddPasskey(ctx, tx, k.id, sha256.Sum256(k.record.Credential.ID), box, token)
		if err == nil && ends == nil {
			err = problem.InField("credential", "this passkey is registered already")
		}
		return ends, err
	})
	if err != nil {
		return nil, err
	}
	res := connect.NewResponse(&imagov1.FinishPasskeyRegistrationResponse{Passkey: passkeyShape(k), RecoveryCodes: shown, Session: sessionShape(session)})
	res.Msg.Token = handOver(ctx, res, token, session)
	return res, nil
}

// registered reads a browser's answer about a new passkey.
func (s passkeyService) registered(ctx context.Context, m *imagov1.FinishPasskeyRegistrationRequest) (k key, err error) {
	if err := s.offered(); err != nil {
		return k, err
	}
	k.record.Name = "Passkey"
	if m.GetName() != "" {
		if k.record.Name, err = valid.Text("name", m.GetName(), 60); err != nil {
			return k, err
		}
	}
	h, err := s.person(ctx)
	if err != nil {
		return k, err
	}
	data, _, err := s.take(ctx, signin.CeremonyRegister, m.GetCeremonyId(), signin.Hash{})
	if err != nil {
		return k, err
	}
	parsed, err := protocol.ParseCredentialCreationResponseBytes([]byte(m.GetCredential()))
	if err != nil {
		return k, refused(err)
	}
	c, err := s.relying.CreateCredential(h, data, parsed)
	if err != nil {
		return k, refused(err)
	}
	id, err := uuid.NewV7()
	k.id, k.record.Credential, k.made.CreatedAt = id.String(), *c, s.now()
	return k, err
}

func (s passkeyService) BeginPasskeyProof(ctx context.Context, _ *connect.Request[imagov1.BeginPasskeyProofRequest]) (*connect.Response[imagov1.BeginPasskeyProofResponse], error) {
	if err := s.offered(); err != nil {
		return nil, err
	}
	h, err := s.person(ctx)
	if err != nil {
		return nil, err
	}
	if len(h.keys) == 0 {
		return nil, problem.New(problem.Conflict, "you have no passkey").WithHint("see which factors you have")
	}
	options, data, err := s.relying.BeginLogin(h)
	if err != nil {
		return nil, fmt.Errorf("begin a ceremony: %w", err)
	}
	id, asked, err := s.begin(ctx, signin.CeremonyProve, signin.Hash{}, options.Response, data)
	if err != nil {
		return nil, err
	}
	return connect.NewResponse(&imagov1.BeginPasskeyProofResponse{CeremonyId: id, Options: asked}), nil
}

// FinishPasskeyProof takes no idempotency key: the ceremony is good for one answer.
func (s passkeyService) FinishPasskeyProof(ctx context.Context, r *connect.Request[imagov1.FinishPasskeyProofRequest]) (*connect.Response[imagov1.FinishPasskeyProofResponse], error) {
	k, err := s.proven(ctx, r.Msg)
	if err != nil {
		return nil, s.factors().refuse(ctx, err)
	}
	ring, err := s.keyrings.SignIn(ctx)
	if err != nil {
		return nil, err
	}
	box, err := sealed.Passkey(k.id).Seal(ring, k.record)
	if err != nil {
		return nil, err
	}
	token, session, err := s.factors().rise(ctx, "step_up", func(tx *postgres.Tx, token signin.Hash) (*time.Time, error) {
		return signin.RiseByPasskey(ctx, tx, k.id, box, token)
	})
	if err != nil {
		return nil, err
	}
	res := connect.NewResponse(&imagov1.FinishPasskeyProofResponse{Session: sessionShape(session)})
	res.Msg.Token = handOver(ctx, res, token, session)
	return res, nil
}

// proven reads the answer of one of the person's passkeys.
func (s passkeyService) proven(ctx context.Context, m *imagov1.FinishPasskeyProofRequest) (k key, err error) {
	if err := s.offered(); err != nil {
		return k, err
	}
	h, err := s.person(ctx)
	if err != nil {
		return k, err
	}
	data, _, err := s.take(ctx, signin.CeremonyProve, m.GetCeremonyId(), signin.Hash{})
	if err != nil {
		return k, err
	}
	parsed, err := protocol.ParseCredentialRequestResponseBytes([]byte(m.GetCredential()))
	if err != nil {
		return k, refused(err)
	}
	c, err := s.relying.ValidateLogin(h, data, parsed)
	if err == nil {
		err = copied(c)
	}
	if err != nil {
		return k, refused(err)
	}
	return h.with(c)
}

func (s passkeyService) RemovePasskey(ctx context.Context, r *connect.Request[imagov1.RemovePasskeyRequest]) (*connect.Response[imagov1.RemovePasskeyResponse], error) {
	id, err := valid.ID("passkey_id", r.Msg.GetPasskeyId())
	if err != nil {
		return nil, err
	}
	return change(ctx, s.Service, r, func(w *work) (*imagov1.RemovePasskeyResponse, error) {
		if err := signin.RemovePasskey(ctx, w.Tx, id); err != nil {
			return nil, in("passkey_id", "list your passkeys to see which there are", err)
		}
		return &imagov1.RemovePasskeyResponse{}, w.record(ctx, "remove_passkey", "user", string(w.User()), "")
	})
}
