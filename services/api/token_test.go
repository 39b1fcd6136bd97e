package api

import (
	"crypto/rand"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/types/known/timestamppb"

	"imago/pkg/account"
	imagov1 "imago/proto/imago/v1"
	rpc "imago/proto/imago/v1/imagov1connect"
)

// apiToken is a token, and a program that has it.
type apiToken struct {
	id string
	*person
}

// token gives a member a token, whatever their role and session.
func (w *world) token(p *person, scopes ...account.Action) apiToken {
	w.t.Helper()
	in := *p
	in.token = tokenPrefix + "token_" + rand.Text()
	h := hash(in.token)
	var id string
	w.row([]any{&id}, `insert into sessions (account_id, user_id, token_hash, kind, name, scopes, idle_expires_at, expires_at)
		values ($1, $2, $3, 'token', 'nightly', $4, now() + interval '1 day', now() + interval '1 day') returning id`,
		p.account, p.user, h[:], scopes)
	return apiToken{id, w.clients(&in)}
}

// harmless lists what tokens may.
func harmless() (out []account.Action) {
	for _, a := range account.Actions() {
		if a.ForTokens() {
			out = append(out, a)
		}
	}
	return out
}

func (w *world) createToken(p *person, m *imagov1.CreateTokenRequest) (*imagov1.CreateTokenResponse, error) {
	w.t.Helper()
	if m.ExpiresAt == nil {
		m.ExpiresAt = timestamppb.New(w.clock.now().Add(time.Hour))
	}
	res, err := p.tokens.CreateToken(w.t.Context(), req(m))
	if err != nil {
		return nil, err
	}
	return res.Msg, nil
}

func TestAProgramActsByAToken(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Config{})
	p := w.owner()
	made, err := w.createToken(p, &imagov1.CreateTokenRequest{Name: "nightly", Scopes: []string{"edit_account", "view_account", "edit_account"}})
	if err != nil {
		t.Fatal(err)
	}
	if d := made.GetDetails(); !slices.Equal(d.GetScopes(), []string{"edit_account", "view_account"}) || d.GetOwner() != p.email || d.GetLastUsedAt() != nil {
		t.Errorf("it is %v", d)
	}
	program := w.clients(&person{token: made.GetToken(), email: p.email})
	me, err := program.signIn.WhoAmI(t.Context(), req(&imagov1.WhoAmIRequest{}))
	if err != nil || !slices.Equal(me.Msg.GetSession().GetActions(), []string{"edit_account", "view_account"}) {
		t.Errorf("it is told %v, %v", me, err)
	}
	if _, err := program.team.UpdateAccount(t.Context(), req(&imagov1.UpdateAccountRequest{Name: "Acme Inc."})); err != nil {
		t.Fatal(err)
	}
	log, err := p.activity.ListActivity(t.Context(), req(&imagov1.ListActivityRequest{}))
	if err != nil || log.Msg.GetActivity()[0].GetActor() != p.email+", by the token nightly" {
		t.Errorf("the log says %v, %v", log, err)
	}
	all, err := p.tokens.ListTokens(t.Context(), req(&imagov1.ListTokensRequest{}))
	if err != nil || len(all.Msg.GetTokens()) != 1 || all.Msg.GetTokens()[0].GetLastUsedAt() == nil {
		t.Errorf("listed as %v, %v", all, err)
	}
	sessions, err := p.sessions.ListSessions(t.Context(), req(&imagov1.ListSessionsRequest{}))
	if err != nil || len(sessions.Msg.GetSessions()) != 1 {
		t.Errorf("it stands among the sessions: %v, %v", sessions, err)
	}
	if _, err := p.tokens.RevokeToken(t.Context(), req(&imagov1.RevokeTokenRequest{TokenId: made.GetDetails().GetId()})); err != nil {
		t.Fatal(err)
	}
	if err := w.ask(program, rpc.SignInServiceWhoAmIProcedure, false); connect.CodeOf(err) != connect.CodeUnauthenticated {
		t.Errorf("revoked: %v", err)
	}
	if diff := cmp.Diff([]string{"revoke_token", "update_account", "create_token"}, w.activityOf(p)); diff != "" {
		t.Error(diff)
	}
	w.verifyChain(p)
	if n := w.count(`select count(*) from sessions where token_hash = convert_to($1, 'UTF8')`, made.GetToken()); n != 0 {
		t.Error("the token stands in clear")
	}
}

// TestTokensMayNoMore attacks what a token lets in to.
func TestTokensMayNoMore(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Config{})
	for name, attack := range map[string]func(t *testing.T, p *person){
		"it approves nothing, whatever it names": func(t *testing.T, p *person) {
			for _, a := range account.Actions() {
				if a.ForTokens() {
					continue
				}
				_, err := w.createToken(p, &imagov1.CreateTokenRequest{Name: "x", Scopes: []string{"view_account", string(a)}})
				if got := problemOf(t, err, connect.CodeInvalidArgument); got.GetField() != "scopes" || got.GetHint() == "" {
					t.Errorf("%s: %v", a, got)
				}
			}
			for _, procedure := range []string{
				rpc.RestoreServiceApproveRestoreProcedure, rpc.RestoreServiceApplyRestoreProcedure, rpc.TokenServiceCreateTokenProcedure,
				rpc.SessionServiceRequestStepUpProcedure, rpc.TeamServiceSwitchAccountProcedure, rpc.DeviceServiceApproveDeviceProcedure,
			} {
				if got := problemOf(t, w.ask(w.token(p, harmless()...).person, procedure, false), connect.CodePermissionDenied); got.GetKind() != "denied" {
					t.Errorf("%s: %v; want denied: stepping up is for people", procedure, got)
				}
			}
		},
		"the database keeps harmful scopes out": func(t *testing.T, p *person) {
			_, err := w.db.Owner().Exec(t.Context(), `insert into sessions (account_id, user_id, token_hash, kind, name, scopes, idle_expires_at, expires_at)
				values ($1, $2, sha256('x'), 'token', 'x', array['approve_restore'], now() + interval '1 day', now() + interval '1 day')`, p.account, p.user)
			if err == nil || !strings.Contains(err.Error(), "sessions_scopes_harmless") {
				t.Errorf("got %v", err)
			}
		},
		"nobody gives more than they have": func(t *testing.T, p *person) {
			_, err := w.createToken(w.member(p, account.Viewer), &imagov1.CreateTokenRequest{Name: "x", Scopes: []string{"open_snapshot"}})
			if got := problemOf(t, err, connect.CodeInvalidArgument); got.GetField() != "scopes" {
				t.Errorf("got %v", got)
			}
		},
		"it follows its owner's role": func(t *testing.T, p *person) {
			m := w.member(p, account.Operator)
			token := w.token(m, account.TakeSnapshot, account.ViewAccount)
			w.exec(`update members set role = 'viewer' where user_id = $1`, m.user)
			if err := w.ask(token.person, rpc.SnapshotServiceTakeSnapshotProcedure, false); connect.CodeOf(err) != connect.CodePermissionDenied {
				t.Errorf("what the role lost: %v", err)
			}
			w.exec(`delete from members where user_id = $1`, m.user)
			if err := w.ask(token.person, rpc.TeamServiceListMembersProcedure, false); connect.CodeOf(err) != connect.CodeUnauthenticated {
				t.Errorf("of who was removed: %v", err)
			}
		},
		"a session that was left open makes none": func(t *testing.T, p *person) {
			_, err := w.createToken(w.stale(p), &imagov1.CreateTokenRequest{Name: "x", Scopes: []string{"view_account"}})
			if got := problemOf(t, err, connect.CodePermissionDenied); got.GetKind() != "step_up" {
				t.Errorf("got %v; want step_up", got)
			}
		},
		"it shows no findings' data without open_snapshot": func(t *testing.T, p *person) {
			c := w.db.Connection(t, p.account)
			w.finding(p, c)
			list := func(who *person) *imagov1.Finding {
				res, err := who.drift.ListFindings(t.Context(), req(&imagov1.ListFindingsRequest{ConnectionId: string(c)}))
				if err != nil || len(res.Msg.GetFindings()) != 1 {
					t.Fatalf("%v, %v", res, err)
				}
				return res.Msg.GetFindings()[0]
			}
			viewer := w.member(p, account.Viewer)
			if diff := cmp.Diff(list(viewer).String(), list(w.token(p, account.ViewAccount).person).String()); diff != "" {
				t.Errorf("it sees more than a viewer: %s", diff)
			}
		},
		"it ends": func(t *testing.T, p *person) {
			token := w.token(p, account.ViewAccount)
			w.exec(`update sessions set expires_at = now() - interval '1 second' where id = $1`, token.id)
			if err := w.ask(token.person, rpc.TeamServiceListMembersProcedure, false); connect.CodeOf(err) != connect.CodeUnauthenticated {
				t.Errorf("got %v", err)
			}
			for name, at := range map[string]time.Time{"yesterday": w.clock.now().Add(-time.Hour), "in two years": w.clock.now().Add(2 * tokenLife)} {
				_, err := w.createToken(p, &imagov1.CreateTokenRequest{Name: "x", Scopes: []string{"view_account"}, ExpiresAt: timestamppb.New(at)})
				if got := problemOf(t, err, connect.CodeInvalidArgument); got.GetField() != "expires_at" || got.GetHint() == "" {
					t.Errorf("%s: %v", name, got)
				}
			}
		},
		"others' tokens are theirs, and the owner's to end": func(t *testing.T, p *person) {
			member, other := w.member(p, account.Operator), w.member(p, account.Auditor)
			token := w.token(member, account.ViewAccount)
			revoke := func(by *person) error {
				return errOf(by.tokens.RevokeToken(t.Context(), req(&imagov1.RevokeTokenRequest{TokenId: token.id})))
			}
			for who, by := range map[string]*person{"a colleague": other, "another account's owner": w.owner()} {
				if got := problemOf(t, revoke(by), connect.CodeNotFound); got.GetField() != "token_id" {
					t.Errorf("%s: %v", who, got)
				}
				if all, err := by.tokens.ListTokens(t.Context(), req(&imagov1.ListTokensRequest{})); err != nil || len(all.Msg.GetTokens()) != 0 {
					t.Errorf("%s sees %v, %v", who, all, err)
				}
			}
			if err := revoke(p); err != nil {
				t.Errorf("the owner: %v", err)
			}
		},
		"ending all other sessions leaves programs alone": func(t *testing.T, p *person) {
			token := w.token(p, account.ViewAccount)
			if _, err := p.sessions.RevokeOtherSessions(t.Context(), req(&imagov1.RevokeOtherSessionsRequest{})); err != nil {
				t.Fatal(err)
			}
			if err := w.ask(token.person, rpc.TeamServiceListMembersProcedure, false); err != nil {
				t.Error(err)
			}
		},
		"as a cookie it is the same": func(t *testing.T, p *person) {
			token := w.token(p, account.ViewAccount)
			r := req(&imagov1.RequestStepUpRequest{})
			r.Header().Set("Cookie", cookieName+"="+token.person.token)
			if _, err := w.stranger().sessions.RequestStepUp(t.Context(), r); connect.CodeOf(err) != connect.CodePermissionDenied {
				t.Errorf("got %v", err)
			}
			if got := w.asks(http.Header{"Cookie": {cookieName + "=" + token.person.token}}); got != 200 {
				t.Errorf("who it is: %d", got)
			}
		},
	} {
		t.Run(name, func(t *testing.T) { attack(t, w.owner()) })
	}
}
