package api

import (
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"connectrpc.com/connect"

	"imago/pkg/account"
	"imago/pkg/boot"
	"imago/pkg/postgres/postgrestest"
	"imago/pkg/sso/ssotest"
	imagov1 "imago/proto/imago/v1"
)

// firm is an account whose people sign in at an identity provider.
type firm struct {
	*world
	owner *person
	idp   *ssotest.Provider
	slug  string
}

// newFirm is on a world that takes providers on this machine.
func newFirm(t *testing.T) *firm {
	t.Helper()
	return firmIn(newWorld(t, Config{SignUp: SignUpOpen, PublicURL: consoleURL, AllowLoopbackOrgs: true}))
}

func firmIn(w *world) *firm {
	w.t.Helper()
	c := &firm{world: w, owner: w.owner(), idp: ssotest.Start(w.t), slug: "acme-" + strings.ToLower(secret()[:6])}
	c.slug = strings.TrimRight(strings.ReplaceAll(c.slug, "_", "x"), "-")
	c.idp.Redirect = consoleURL + "/sign-in/sso/" + string(c.owner.account)
	if err := c.set(c.owner, nil); err != nil {
		w.t.Fatal(err)
	}
	return c
}

// set says where the company's people sign in.
func (c *firm) set(by *person, change func(*imagov1.SetSsoRequest)) error {
	c.t.Helper()
	m := &imagov1.SetSsoRequest{Slug: c.slug, Issuer: c.idp.URL, ClientId: c.idp.ClientID, ClientSecret: c.idp.ClientSecret}
	if change != nil {
		change(m)
	}
	return errOf(by.sso.SetSso(c.t.Context(), req(m)))
}

func (c *firm) require(yes bool) error {
	return c.set(c.owner, func(m *imagov1.SetSsoRequest) { m.Required, m.ClientSecret = yes, "" })
}

// sits puts somebody in front of the provider.
func (c *firm) sits(subject, email string) {
	c.idp.Person = map[string]any{"sub": subject, "email": email, "email_verified": true}
}

// visit is a browser that went to a provider and came back.
type visit struct {
	begun *imagov1.BeginSsoResponse
	back  url.Values
}

func (w *world) visit(idp *ssotest.Provider, slug string) visit {
	w.t.Helper()
	res, err := w.stranger().sso.BeginSso(w.t.Context(), req(&imagov1.BeginSsoRequest{Slug: slug}))
	if err != nil {
		w.t.Fatal(err)
	}
	return visit{res.Msg, idp.Authorize(res.Msg.GetUrl())}
}

// request is what the console sends of it.
func (v visit) request() *imagov1.FinishSsoRequest {
	return &imagov1.FinishSsoRequest{
		ProviderId: v.begun.GetProviderId(), ClientSecret: v.begun.GetClientSecret(),
		State: v.back.Get("state"), Code: v.back.Get("code"), Issuer: v.back.Get("iss"), Error: v.back.Get("error"),
	}
}

func (w *world) finish(m *imagov1.FinishSsoRequest) (*person, error) {
	w.t.Helper()
	res, err := w.stranger().sso.FinishSso(w.t.Context(), req(m))
	if err != nil {
		return nil, err
	}
	return w.clients(&person{
		token: res.Msg.GetToken(), email: res.Msg.GetSession().GetEmail(), account: account.ID(res.Msg.GetSession().GetAccountId()),
	}), nil
}

// signIn goes all the way, as who sits there.
func (c *firm) signIn() (*person, error) {
	c.t.Helper()
	return c.finish(c.visit(c.idp, c.slug).request())
}

// in is who sits there, signed in.
func (c *firm) in(subject string, p *person) *person {
	c.t.Helper()
	c.sits(subject, p.email)
	in, err := c.signIn()
	if err != nil {
		c.t.Fatal(err)
	}
	return in
}

func TestACompanySignsIn(t *testing.T) {
	t.Parallel()
	c := newFirm(t)
	ada := c.member(c.owner, account.Admin)
	c.enroll(ada)
	in := c.in("00u1", ada)
	if in.email != ada.email || in.account != c.owner.account {
		t.Errorf("who came in is %+v", in)
	}
	if got := c.activityOf(c.owner); !slices.Contains(got, "set_sso") || !slices.Contains(got, "sign_in") {
		t.Errorf("the activity log has %v", got)
	}
	res, err := c.owner.sso.GetSso(t.Context(), req(&imagov1.GetSsoRequest{}))
	if err != nil {
		t.Fatal(err)
	}
	if got := res.Msg.GetSso(); got.GetMembers() != 1 || got.GetRedirectUri() != c.idp.Redirect || got.GetIssuer() != c.idp.URL || got.GetSlug() != c.slug || got.GetRequired() {
		t.Errorf("the account's provider is %v", got)
	}
	// From now on the subject alone counts: an address that the provider gives to somebody
	// else later opens nothing, and one that it takes away closes nothing.
	c.sits("00u2", ada.email)
	got := problemOf(t, errOf(c.signIn()), connect.CodePermissionDenied)
	if !strings.Contains(got.GetHint(), "remove") {
		t.Errorf("another subject with the address: %v", got)
	}
	c.sits("00u1", "elsewhere@acme.test")
	if in, err := c.signIn(); err != nil || in.email != ada.email {
		t.Errorf("the subject with another address: %+v, %v", in, err)
	}
	c.idp.Person = map[string]any{"sub": "00u1"}
	if in, err := c.signIn(); err != nil || in.email != ada.email {
		t.Errorf("the subject without an address: %+v, %v", in, err)
	}
}

func TestWhomAProviderDoesNotLetIn(t *testing.T) {
	t.Parallel()
	c := newFirm(t)
	ada, stranger := c.member(c.owner, account.Viewer), c.world.owner()
	for name, claims := range map[string]map[string]any{
		"an address that is not verified": {"sub": "1", "email": ada.email, "email_verified": false},
		"of which nothing is said":        {"sub": "1", "email": ada.email},
		"no address":                      {"sub": "1"},
		"nobody's address":                {"sub": "1", "email": "nobody@acme.test", "email_verified": true},
		"another account's owner":         {"sub": "1", "email": stranger.email, "email_verified": true},
	} {
		c.idp.Person = claims
		if got := problemOf(t, errOf(c.signIn()), connect.CodePermissionDenied); got.GetHint() == "" {
			t.Errorf("%s: %v", name, got)
		}
	}
	if n := c.count(`select count(*) from sso_identities where account_id = $1`, c.owner.account); n != 0 {
		t.Errorf("%d people are known to the provider", n)
	}
	if n := c.count(`select count(*) from users where email = 'nobody@acme.test'`); n != 0 {
		t.Error("a person was made by a provider's word")
	}
}

// TestAnswersOfOtherSignIns are what somebody in between could try.
func TestAnswersOfOtherSignIns(t *testing.T) {
	t.Parallel()
	c := newFirm(t)
	other := firmIn(c.world)
	ada := c.member(c.owner, account.Viewer)
	c.sits("00u1", ada.email)
	other.sits("00u1", ada.email)
	for name, try := range map[string]struct {
		spoil func(*imagov1.FinishSsoRequest)
		code  connect.Code
	}{
		"another browser's secret":          {func(m *imagov1.FinishSsoRequest) { m.ClientSecret = secret() }, connect.CodeFailedPrecondition},
		"a state of one's own":              {func(m *imagov1.FinishSsoRequest) { m.State = secret() }, connect.CodeFailedPrecondition},
		"the state of another sign-in":      {func(m *imagov1.FinishSsoRequest) { m.State = c.visit(c.idp, c.slug).back.Get("state") }, connect.CodeFailedPrecondition},
		"at another provider's page":        {func(m *imagov1.FinishSsoRequest) { m.ProviderId = string(other.owner.account) }, connect.CodeFailedPrecondition},
		"at the installation's page":        {func(m *imagov1.FinishSsoRequest) { m.ProviderId = installation }, connect.CodeNotFound},
		"at nobody's page":                  {func(m *imagov1.FinishSsoRequest) { m.ProviderId = nobodys }, connect.CodeNotFound},
		"in another provider's name":        {func(m *imagov1.FinishSsoRequest) { m.Issuer = other.idp.URL }, connect.CodePermissionDenied},
		"a code of another sign-in":         {func(m *imagov1.FinishSsoRequest) { m.Code = c.visit(c.idp, c.slug).back.Get("code") }, connect.CodePermissionDenied},
		"another provider's code":           {func(m *imagov1.FinishSsoRequest) { m.Code = other.visit(other.idp, other.slug).back.Get("code") }, connect.CodePermissionDenied},
		"a code that was made up":           {func(m *imagov1.FinishSsoRequest) { m.Code = "x" }, connect.CodePermissionDenied},
		"no code":                           {func(m *imagov1.FinishSsoRequest) { m.Code = "" }, connect.CodePermissionDenied},
		"the provider says no":              {func(m *imagov1.FinishSsoRequest) { m.Code, m.Error = "", "access_denied" }, connect.CodePermissionDenied},
		"the provider says no, and a code":  {func(m *imagov1.FinishSsoRequest) { m.Error = "access_denied" }, connect.CodePermissionDenied},
		"what is no error code is not told": {func(m *imagov1.FinishSsoRequest) { m.Error = "<script>" }, connect.CodePermissionDenied},
	} {
		m := c.visit(c.idp, c.slug).request()
		try.spoil(m)
		if got := problemOf(t, errOf(c.finish(m)), try.code); strings.Contains(got.String(), "<script>") || got.GetHint() == "" && try.code != connect.CodeNotFound {
			t.Errorf("%s: %v", name, got)
		}
	}
	m := c.visit(c.idp, c.slug).request()
	if _, err := c.finish(m); err != nil {
		t.Fatal(err)
	}
	problemOf(t, errOf(c.finish(m)), connect.CodeFailedPrecondition) // again
	late := c.visit(c.idp, c.slug).request()
	c.exec(`update sso_attempts set created_at = now() - interval '11 minutes' where account_id = $1`, c.owner.account)
	problemOf(t, errOf(c.finish(late)), connect.CodeFailedPrecondition)
	c.idp.Spoil = func(claims map[string]any) { claims["nonce"] = "of another sign-in" }
	problemOf(t, errOf(c.signIn()), connect.CodePermissionDenied)
	if n := c.count(`select count(*) from sessions where sso and account_id = $1`, c.owner.account); n != 1 {
		t.Errorf("%d sessions were opened, want 1", n)
	}
}

// TestAProvidersWordStaysInItsAccount: who runs the provider must not come by it into other
// accounts of the account's people, nor do what wants proof of the person.
func TestAProvidersWordStaysInItsAccount(t *testing.T) {
	t.Parallel()
	c := newFirm(t)
	ada := c.member(c.owner, account.Owner)
	elsewhere := firmIn(c.world).owner // which has a provider of its own
	c.exec(`insert into members (account_id, user_id, role) values ($1, $2, 'owner')`, elsewhere.account, ada.user)
	there := c.session(&person{account: elsewhere.account, user: ada.user, email: ada.email})
	_, token := c.invite(c.world.owner(), ada.email, account.Viewer)
	in := c.in("00u1", ada)
	ctx := t.Context()

	switched := errOf(in.team.SwitchAccount(ctx, req(&imagov1.SwitchAccountRequest{AccountId: string(elsewhere.account)})))
	if got := problemOf(t, switched, connect.CodePermissionDenied); !strings.Contains(got.GetHint(), "mailed code") {
		t.Errorf("switching: %v", got)
	}
	problemOf(t, errOf(in.accept(ctx, token)), connect.CodePermissionDenied)
	if n := c.count(`select count(*) from members where user_id = $1`, ada.user); n != 2 {
		t.Errorf("she is in %d accounts, want 2", n)
	}
	accounts, err := in.team.ListAccounts(ctx, req(&imagov1.ListAccountsRequest{}))
	if err != nil || len(accounts.Msg.GetAccounts()) != 1 {
		t.Errorf("her accounts are %v, %v", accounts, err)
	}
	list, err := in.sessions.ListSessions(ctx, req(&imagov1.ListSessionsRequest{}))
	if err != nil || len(list.Msg.GetSessions()) != 2 {
		t.Errorf("her sessions are %v, %v; want this account's two", list, err)
	}
	if _, err := in.sessions.RevokeOtherSessions(ctx, req(&imagov1.RevokeOtherSessionsRequest{})); err != nil {
		t.Error(err)
	}
	if _, err := there.signIn.WhoAmI(ctx, req(&imagov1.WhoAmIRequest{})); err != nil {
		t.Errorf("her session elsewhere has ended: %v", err)
	}

	problemOf(t, errOf(in.factors.EnrollTotp(ctx, req(&imagov1.EnrollTotpRequest{}))), connect.CodePermissionDenied)
	problemOf(t, errOf(in.passkeys.BeginPasskeyRegistration(ctx, req(&imagov1.BeginPasskeyRegistrationRequest{}))), connect.CodePermissionDenied)
	problemOf(t, errOf(in.tokens.CreateToken(ctx, req(&imagov1.CreateTokenRequest{Name: "x", Scopes: []string{"view_account"}}))), connect.CodePermissionDenied)
	problemOf(t, c.set(in, nil), connect.CodePermissionDenied)
	problemOf(t, errOf(in.team.UpdateMember(ctx, req(&imagov1.UpdateMemberRequest{UserId: string(c.owner.user), Role: "viewer"}))), connect.CodePermissionDenied)
	// With a step-up by a mailed code she is who she is.
	proven, err := c.prove(in, c.stepUp(in, "654321"), "654321")
	if err != nil {
		t.Fatal(err)
	}
	if err := errOf(c.clients(&person{token: proven.GetToken()}).factors.EnrollTotp(ctx, req(&imagov1.EnrollTotpRequest{}))); err != nil {
		t.Errorf("stepped up: %v", err)
	}
}

// TestAProviderDoesNotGuessAtItsPeoplesAuthenticators: nor keep them out elsewhere by trying.
func TestAProviderDoesNotGuessAtItsPeoplesAuthenticators(t *testing.T) {
	t.Parallel()
	c := newFirm(t)
	ada := c.member(c.owner, account.Viewer)
	a := c.enroll(ada)
	in := c.in("00u1", ada)
	for range 5 {
		problemOf(t, errOf(c.verify(in, &imagov1.VerifyTotpRequest{Code: a.code(-9)})), connect.CodeInvalidArgument)
	}
	c.clock.move(period)
	if _, err := c.verify(c.half(ada.email, "totp"), &imagov1.VerifyTotpRequest{Code: a.code(0)}); err != nil {
		t.Errorf("she herself, by a mailed code: %v", err)
	}
	c.exec(`update sso_identities set tries_since = now() - interval '23 hours' where account_id = $1`, c.owner.account)
	problemOf(t, errOf(c.verify(in, &imagov1.VerifyTotpRequest{Code: a.code(1)})), connect.CodeResourceExhausted)
	c.exec(`update sso_identities set tries_since = now() - interval '25 hours' where account_id = $1`, c.owner.account)
	if _, err := c.verify(in, &imagov1.VerifyTotpRequest{Code: a.code(1)}); err != nil {
		t.Errorf("the next day: %v", err)
	}
}

// TestTheOnlyWayIn: all but owners come in by the provider alone, and owners also when it broke.
func TestTheOnlyWayIn(t *testing.T) {
	t.Parallel()
	c := newFirm(t)
	ada, token := c.member(c.owner, account.Admin), &person{}
	*token = *c.session(ada)
	c.exec(`update sessions set kind = 'token', name = 'nightly', scopes = '{view_account}', stepped_up_at = null where token_hash = sha256($1::bytea)`, token.token)
	if got := problemOf(t, c.require(true), connect.CodeFailedPrecondition); !strings.Contains(got.GetHint(), "sign in by it once") {
		t.Errorf("before anybody came in by it: %v", got)
	}
	bySso := c.in("00u1", ada)
	if err := c.require(true); err != nil {
		t.Fatal(err)
	}
	who := func(p *person) error { return errOf(p.signIn.WhoAmI(t.Context(), req(&imagov1.WhoAmIRequest{}))) }
	problemOf(t, who(ada), connect.CodeUnauthenticated)
	for name, p := range map[string]*person{"the owner": c.owner, "who came in by it": bySso, "a token": token} {
		if err := who(p); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	begun := c.requestCode(ada.email)
	c.mail(begun.GetAttemptId(), "123456")
	got := problemOf(t, errOf(c.exchange(begun, "123456")), connect.CodePermissionDenied)
	if !strings.Contains(got.GetHint(), c.slug) {
		t.Errorf("by a mailed code: %v", got)
	}

	// Whoever is in another account too comes into that, and cannot switch over.
	elsewhere := c.world.owner()
	c.exec(`insert into members (account_id, user_id, role) values ($1, $2, 'viewer')`, elsewhere.account, ada.user)
	there := c.signInAs(ada.email)
	me, err := there.signIn.WhoAmI(t.Context(), req(&imagov1.WhoAmIRequest{}))
	if err != nil || me.Msg.GetSession().GetAccountId() != string(elsewhere.account) {
		t.Errorf("by a mailed code she is in %v, %v", me, err)
	}
	problemOf(t, errOf(there.team.SwitchAccount(t.Context(), req(&imagov1.SwitchAccountRequest{AccountId: string(c.owner.account)}))), connect.CodePermissionDenied)

	// Break-glass: the provider is gone.
	c.idp.Stop()
	if got := problemOf(t, errOf(c.stranger().sso.BeginSso(t.Context(), req(&imagov1.BeginSsoRequest{Slug: c.slug}))), connect.CodeUnavailable); !strings.Contains(got.GetHint(), "owners") {
		t.Errorf("the provider is away: %v", got)
	}
	owner := c.signInAs(c.owner.email)
	if err := errOf(owner.sso.DeleteSso(t.Context(), req(&imagov1.DeleteSsoRequest{}))); err != nil {
		t.Fatal(err)
	}
	problemOf(t, who(bySso), connect.CodeUnauthenticated)
	c.exec(`delete from members where account_id = $1 and user_id = $2`, elsewhere.account, ada.user)
	if err := who(c.signInAs(ada.email)); err != nil {
		t.Errorf("with no provider any more: %v", err)
	}
}

// TestTheProviderIsTakenAwayFromOutside of it: by who has shown to get in without it.
func TestTheProviderIsTakenAwayFromOutside(t *testing.T) {
	t.Parallel()
	c := newFirm(t)
	in := c.in("00u1", c.owner)
	c.exec(`update sessions set stepped_up_at = now() where token_hash = $1`, hashOf(in))
	other := firmIn(c.world)
	for name, err := range map[string]error{
		"delete":         errOf(in.sso.DeleteSso(t.Context(), req(&imagov1.DeleteSsoRequest{}))),
		"another issuer": c.set(in, func(m *imagov1.SetSsoRequest) { m.Issuer = other.idp.URL }),
	} {
		if got := problemOf(t, err, connect.CodeFailedPrecondition); !strings.Contains(got.GetHint(), "mailed code") {
			t.Errorf("%s: %v", name, got)
		}
	}
	if err := c.set(in, func(m *imagov1.SetSsoRequest) { m.Slug += "-x" }); err != nil {
		t.Errorf("another name for the same provider: %v", err)
	}
	if err := errOf(c.owner.sso.DeleteSso(t.Context(), req(&imagov1.DeleteSsoRequest{}))); err != nil {
		t.Error(err)
	}
}

// TestWhoIsInvitedComesInByTheProvider, where there is no other way in.
func TestWhoIsInvitedComesInByTheProvider(t *testing.T) {
	t.Parallel()
	c := newFirm(t)
	c.in("00u1", c.member(c.owner, account.Viewer))
	if err := c.require(true); err != nil {
		t.Fatal(err)
	}
	email := "eve." + address(t)
	id, token := c.invite(c.owner, email, account.Operator)
	got := problemOf(t, errOf(c.join(email, token)), connect.CodePermissionDenied)
	if !strings.Contains(got.GetHint(), c.slug) {
		t.Errorf("by a mailed code: %v", got)
	}
	c.idp.Person = map[string]any{"sub": "00u2", "email": email}
	problemOf(t, errOf(c.signIn()), connect.CodePermissionDenied)
	c.sits("00u1", email)
	if in, err := c.signIn(); err != nil || in.email == email {
		t.Errorf("who is known already comes in as %+v, %v", in, err)
	}
	if n := c.count(`select count(*) from invitations where id = $1 and accepted_at is null`, id); n != 1 {
		t.Fatal("the invitation is used up")
	}
	c.sits("00u2", email)
	if in, err := c.signIn(); err != nil || in.email != email || in.account != c.owner.account {
		t.Fatalf("by the provider: %+v, %v", in, err)
	}
	if got := c.activityOf(c.owner); !slices.Contains(got, "accept_invitation") {
		t.Errorf("the activity log has %v", got)
	}
	// Whoever is somebody here already accepts it by a session of their own.
	known := c.world.owner()
	_, token = c.invite(c.owner, known.email, account.Operator)
	c.sits("00u4", known.email)
	problemOf(t, errOf(c.signIn()), connect.CodePermissionDenied)
	if n := c.count(`select count(*) from members where user_id = $1`, known.user); n != 1 {
		t.Errorf("the provider's word put somebody into %d accounts", n)
	}
	if got := problemOf(t, errOf(known.accept(t.Context(), token)), connect.CodePermissionDenied); !strings.Contains(got.GetHint(), c.slug) {
		t.Errorf("accepted by their own session: %v", got)
	}
	if err := errOf(known.signIn.WhoAmI(t.Context(), req(&imagov1.WhoAmIRequest{}))); err != nil {
		t.Errorf("their own session: %v", err)
	}
	if in, err := c.signIn(); err != nil || in.email != known.email || in.account != c.owner.account {
		t.Errorf("after it: %+v, %v", in, err)
	}
	revoked := "mallory." + address(t)
	id, _ = c.invite(c.owner, revoked, account.Operator)
	if _, err := c.owner.team.RevokeInvitation(t.Context(), req(&imagov1.RevokeInvitationRequest{InvitationId: id})); err != nil {
		t.Fatal(err)
	}
	c.sits("00u3", revoked)
	problemOf(t, errOf(c.signIn()), connect.CodePermissionDenied)
}

// TestWhoIsNoOwnerAnyMore comes in by the provider from then on, and who is removed is not
// known to it any more.
func TestWhoIsNoOwnerAnyMore(t *testing.T) {
	t.Parallel()
	c := newFirm(t)
	ada := c.member(c.owner, account.Owner)
	bySso := c.in("00u1", ada)
	if err := c.require(true); err != nil {
		t.Fatal(err)
	}
	if _, err := c.owner.team.UpdateMember(t.Context(), req(&imagov1.UpdateMemberRequest{UserId: string(ada.user), Role: "admin"})); err != nil {
		t.Fatal(err)
	}
	problemOf(t, errOf(ada.signIn.WhoAmI(t.Context(), req(&imagov1.WhoAmIRequest{}))), connect.CodeUnauthenticated)
	if err := errOf(bySso.signIn.WhoAmI(t.Context(), req(&imagov1.WhoAmIRequest{}))); err != nil {
		t.Error(err)
	}
	if _, err := c.owner.team.RemoveMember(t.Context(), req(&imagov1.RemoveMemberRequest{UserId: string(ada.user)})); err != nil {
		t.Fatal(err)
	}
	problemOf(t, errOf(c.signIn()), connect.CodePermissionDenied)
	c.exec(`insert into members (account_id, user_id, role) values ($1, $2, 'viewer')`, c.owner.account, ada.user)
	c.sits("00u9", ada.email)
	if _, err := c.signIn(); err != nil {
		t.Errorf("invited again, with another subject: %v", err)
	}
}

func TestSettingAnIdentityProvider(t *testing.T) {
	t.Parallel()
	c := newFirm(t)
	other := firmIn(c.world)
	for name, try := range map[string]struct {
		change func(*imagov1.SetSsoRequest)
		code   connect.Code
		field  string
	}{
		"no name":                      {func(m *imagov1.SetSsoRequest) { m.Slug = "" }, connect.CodeInvalidArgument, "slug"},
		"a name of other letters":      {func(m *imagov1.SetSsoRequest) { m.Slug = "acmé" }, connect.CodeInvalidArgument, "slug"},
		"another account's name":       {func(m *imagov1.SetSsoRequest) { m.Slug = other.slug }, connect.CodeAlreadyExists, "slug"},
		"no issuer":                    {func(m *imagov1.SetSsoRequest) { m.Issuer = "" }, connect.CodeInvalidArgument, "issuer"},
		"nobody is there":              {func(m *imagov1.SetSsoRequest) { m.Issuer += "/x" }, connect.CodeInvalidArgument, "issuer"},
		"no client":                    {func(m *imagov1.SetSsoRequest) { m.ClientId = "" }, connect.CodeInvalidArgument, "client_id"},
		"another issuer's secret":      {func(m *imagov1.SetSsoRequest) { m.Issuer, m.ClientSecret = other.idp.URL, "" }, connect.CodeInvalidArgument, "client_secret"},
		"another client's secret":      {func(m *imagov1.SetSsoRequest) { m.ClientId, m.ClientSecret = "x", "" }, connect.CodeInvalidArgument, "client_secret"},
		"a secret that is a long text": {func(m *imagov1.SetSsoRequest) { m.ClientSecret = strings.Repeat("x", 501) }, connect.CodeInvalidArgument, "client_secret"},
	} {
		before := c.count(`select count(*) from sso_providers where account_id = $1 and slug = $2 and issuer = $3`, c.owner.account, c.slug, c.idp.URL)
		if got := problemOf(t, c.set(c.owner, try.change), try.code); got.GetField() != try.field || got.GetHint() == "" {
			t.Errorf("%s: %v", name, got)
		}
		if before != 1 || c.count(`select count(*) from sso_providers where account_id = $1 and slug = $2 and issuer = $3`, c.owner.account, c.slug, c.idp.URL) != 1 {
			t.Errorf("%s: something has changed", name)
		}
	}
	problemOf(t, c.set(c.member(c.owner, account.Admin), nil), connect.CodePermissionDenied)
	got := problemOf(t, errOf(c.stranger().sso.BeginSso(t.Context(), req(&imagov1.BeginSsoRequest{Slug: "nobody-" + c.slug}))), connect.CodeNotFound)
	if got.GetField() != "slug" || got.GetHint() == "" {
		t.Errorf("a name that nobody has: %v", got)
	}

	// Another client knows nobody: who came in by the one before is out.
	ada := c.member(c.owner, account.Viewer)
	in := c.in("00u1", ada)
	c.idp.ClientID = "another"
	if err := c.set(c.owner, nil); err != nil {
		t.Fatal(err)
	}
	problemOf(t, errOf(in.signIn.WhoAmI(t.Context(), req(&imagov1.WhoAmIRequest{}))), connect.CodeUnauthenticated)
	if n := c.count(`select count(*) from sso_identities where account_id = $1`, c.owner.account); n != 0 {
		t.Errorf("%d are still known", n)
	}
}

// TestProvidersOnThisMachineAreRefused: the api must ask nobody in the network it runs in.
func TestProvidersOnThisMachineAreRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Config{PublicURL: consoleURL})
	idp := ssotest.Start(t)
	p := w.owner()
	for _, issuer := range []string{idp.URL, strings.Replace(idp.URL, "http:", "https:", 1), "https://169.254.169.254", "https://localhost", "https://10.0.0.1"} {
		err := errOf(p.sso.SetSso(t.Context(), req(&imagov1.SetSsoRequest{Slug: "acme", Issuer: issuer, ClientId: "x", ClientSecret: "x"})))
		if got := problemOf(t, err, connect.CodeInvalidArgument); got.GetField() != "issuer" {
			t.Errorf("%s: %v", issuer, got)
		}
	}
	if n := idp.Asked(); n != 0 {
		t.Errorf("it was asked %d times", n)
	}
}

func TestWhereNobodyCouldComeBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Config{})
	if got := problemOf(t, errOf(w.stranger().sso.BeginSso(t.Context(), req(&imagov1.BeginSsoRequest{Slug: "acme"}))), connect.CodeAlreadyExists); got.GetHint() == "" {
		t.Errorf("%v", got)
	}
	methods, err := w.stranger().signIn.GetSignInMethods(t.Context(), req(&imagov1.GetSignInMethodsRequest{}))
	if err != nil || methods.Msg.GetSso() || methods.Msg.GetProvider() != "" {
		t.Errorf("it offers %v, %v", methods, err)
	}
}

func TestSignInsAtProvidersAreThrottled(t *testing.T) {
	t.Parallel()
	c := newFirm(t)
	for range 100 {
		c.visit(c.idp, c.slug)
	}
	asked := c.idp.Asked()
	problemOf(t, errOf(c.stranger().sso.BeginSso(t.Context(), req(&imagov1.BeginSsoRequest{Slug: c.slug}))), connect.CodeResourceExhausted)
	if c.idp.Asked() != asked {
		t.Error("the provider was asked all the same")
	}
}

// own is a world with an identity provider of the installation's.
func own(t *testing.T, c Config) (*world, *ssotest.Provider) {
	t.Helper()
	idp := ssotest.Start(t)
	idp.Redirect = consoleURL + "/sign-in/sso/installation"
	file := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(file, []byte(idp.ClientSecret), 0o600); err != nil {
		t.Fatal(err)
	}
	var secret boot.File
	if err := secret.UnmarshalText([]byte(file)); err != nil {
		t.Fatal(err)
	}
	c.PublicURL, c.OIDC = consoleURL, OIDC{Issuer: idp.URL, ClientID: idp.ClientID, Secret: secret, Name: "Example"}
	return newWorld(t, c), idp
}

// TestTheInstallationsProvider is as good as a mailed code: it makes an account where a code
// would, and no second factor is spared.
func TestTheInstallationsProvider(t *testing.T) {
	t.Parallel()
	w, idp := own(t, Config{SignUp: SignUpOpen})
	methods, err := w.stranger().signIn.GetSignInMethods(t.Context(), req(&imagov1.GetSignInMethodsRequest{}))
	if err != nil || methods.Msg.GetProvider() != "Example" || !methods.Msg.GetSso() {
		t.Errorf("it offers %v, %v", methods, err)
	}
	email := address(t)
	idp.Person = map[string]any{"sub": "1", "email": email, "email_verified": false}
	problemOf(t, errOf(w.finish(w.visit(idp, "").request())), connect.CodePermissionDenied)
	idp.Person["email_verified"] = true
	in, err := w.finish(w.visit(idp, "").request())
	if err != nil || in.email != email {
		t.Fatalf("a first sign-in: %+v, %v", in, err)
	}
	again := w.signInAs(email)
	me, err := again.signIn.WhoAmI(t.Context(), req(&imagov1.WhoAmIRequest{}))
	if err != nil || me.Msg.GetSession().GetAccountId() != string(in.account) {
		t.Errorf("by a mailed code she is in %v, %v", me, err)
	}
	w.enroll(in)
	res, err := w.stranger().sso.FinishSso(t.Context(), req(w.visit(idp, "").request()))
	if err != nil || res.Msg.GetSecondFactor() != "totp" || res.Msg.GetSession() != nil {
		t.Errorf("with an authenticator: %v, %v", res, err)
	}
}

func TestTheInstallationsProviderMakesNoAccountWhereNoneAreMade(t *testing.T) {
	t.Parallel()
	w, idp := own(t, Config{SignUp: SignUpClosed})
	idp.Person = map[string]any{"sub": "1", "email": address(t), "email_verified": true}
	problemOf(t, errOf(w.finish(w.visit(idp, "").request())), connect.CodePermissionDenied)
}

// TestNoSecretOfAProviderIsKeptOrLogged looks for them in the tables and in the log.
func TestNoSecretOfAProviderIsKeptOrLogged(t *testing.T) {
	t.Parallel()
	c := firmIn(worldOn(t, postgrestest.Fresh(t), Config{SignUp: SignUpOpen, PublicURL: consoleURL, AllowLoopbackOrgs: true}))
	ada := c.member(c.owner, account.Viewer)
	c.sits("00uSecretSubject", ada.email)
	v := c.visit(c.idp, c.slug)
	in, err := c.finish(v.request())
	if err != nil {
		t.Fatal(err)
	}
	left := c.visit(c.idp, c.slug) // whose attempt is still there
	for _, secret := range []string{c.idp.ClientSecret, in.token, v.begun.GetClientSecret(), left.begun.GetClientSecret(), left.back.Get("state"), "00uSecretSubject"} {
		for _, table := range []string{"sso_providers", "sso_attempts", "sso_identities", "sessions", "sign_in_codes", "activity_logs", "idempotency_keys"} {
			if n := c.count(`select count(*) from ` + table + ` r where position('` + secret + `' in r::text) > 0
				or position(encode('` + secret + `'::bytea, 'hex') in r::text) > 0`); n != 0 {
				t.Errorf("a secret stands in %s", table)
			}
		}
		if strings.Contains(c.log.String(), secret) {
			t.Error("a secret stands in the log")
		}
	}
}
