package api

import (
	"context"
	"net/url"
	"slices"
	"time"

	"connectrpc.com/connect"

	"imago/pkg/account"
	"imago/pkg/job"
	"imago/pkg/postgres"
	"imago/pkg/postgres/checks"
	"imago/pkg/postgres/connections"
	"imago/pkg/postgres/cursors"
	"imago/pkg/postgres/findings"
	"imago/pkg/postgres/restores"
	"imago/pkg/postgres/schedules"
	"imago/pkg/postgres/sealed"
	"imago/pkg/problem"
	"imago/pkg/resource"
	imagov1 "imago/proto/imago/v1"
	rpc "imago/proto/imago/v1/imagov1connect"
	"imago/services/api/internal/page"
	"imago/services/api/internal/valid"
	"imago/services/api/internal/wire"
)

// The defaults of a connection.
const (
	defaultShare  = 0.5
	defaultFollow = 60
)

// connectionsHint is the way out of a connection's ID that names nothing.
const connectionsHint = "list the connections to see their IDs"

// purposes are the two service apps of a connection.
var purposes = []account.Purpose{account.Read, account.Write}

type connectionService struct{ *Service }

var _ rpc.ConnectionServiceHandler = connectionService{}

func (s *Service) connections() connectionService { return connectionService{s} }

func (s connectionService) CreateConnection(ctx context.Context, r *connect.Request[imagov1.CreateConnectionRequest]) (*connect.Response[imagov1.CreateConnectionResponse], error) {
	c, err := s.wanted(r.Msg)
	if err != nil {
		return nil, err
	}
	if answered, err := replay[imagov1.CreateConnectionResponse](ctx, s.Service, r); answered != nil || err != nil {
		return answered, err
	}
	if err := s.ask(ctx, &c); err != nil {
		return nil, err
	}
	pairs, err := newKeyPairs()
	if err != nil {
		return nil, err
	}
	return change(ctx, s.Service, r, func(w *work) (*imagov1.CreateConnectionResponse, error) {
		if err := w.mayConnect(ctx); err != nil {
			return nil, err
		}
		made, err := connections.Create(ctx, w.Tx, c)
		if err != nil {
			return nil, err
		}
		for _, p := range purposes {
			if err := s.addCredential(ctx, w.Tx, made, p, pairs[p]); err != nil {
				return nil, err
			}
		}
		out, err := s.shape(ctx, w.Tx, made)
		if err != nil {
			return nil, err
		}
		return &imagov1.CreateConnectionResponse{Connection: out}, w.record(ctx, "create_connection", "connection", string(made.ID), made.OrgURL)
	})
}

// mayConnect refuses one more connection than the account's plan has.
func (w *work) mayConnect(ctx context.Context) error {
	e, has, err := w.entitled(ctx)
	if err != nil {
		return err
	}
	return e.AllowConnection(has.Connections)
}

// maySchedule refuses snapshots that follow one another sooner than the account's plan
// has them.
func (w *work) maySchedule(ctx context.Context, wanted schedules.Schedule) error {
	e, _, err := w.entitled(ctx)
	if err != nil || !wanted.Enabled {
		return err
	}
	gap, err := schedules.Gap(wanted.Cron, w.s.now())
	if err != nil {
		return err
	}
	return e.AllowEvery(gap)
}

// ask finds out which org answers at a new connection's address, so that a wrong one is
// told to whoever has just written it. No secret is used.
func (s connectionService) ask(ctx context.Context, c *connections.Connection) error {
	facts, err := s.Provider.Org(ctx, account.Org{URL: c.OrgURL})
	c.OrgID, c.Engine = facts.ID, facts.Engine
	return err
}

// wanted checks what a new connection is to be.
func (s connectionService) wanted(m *imagov1.CreateConnectionRequest) (c connections.Connection, err error) {
	c.Provider = s.Provider.Name()
	if c.OrgURL, err = valid.OrgURL("org_url", m.GetOrgUrl(), s.config.AllowLoopbackOrgs); err != nil {
		return c, err
	}
	if c.Name, err = valid.Text("name", orDefault(m.GetName(), host(c.OrgURL)), 100); err != nil {
		return c, err
	}
	if c.Share, err = valid.Share("rate_share", m.GetRateShare(), defaultShare); err != nil {
		return c, err
	}
	follow, err := valid.Seconds("follow_seconds", m.GetFollowSeconds(), 2, 3600, defaultFollow)
	c.FollowSeconds = int(follow)
	return c, err
}

func host(org string) string {
	u, err := url.Parse(org)
	if err != nil {
		return org
	}
	return u.Host
}

func newKeyPairs() (map[account.Purpose]keyPair, error) {
	out := map[account.Purpose]keyPair{}
	for _, p := range purposes {
		pair, err := newKeyPair()
		if err != nil {
			return nil, err
		}
		out[p] = pair
	}
	return out, nil
}

// addCredential stores a key pair for one of the service apps.
func (s connectionService) addCredential(ctx context.Context, tx *postgres.Tx, c connections.Connection, p account.Purpose, pair keyPair) error {
	box, err := s.seal(tx, c.ID, p, pair)
	if err != nil {
		return err
	}
	_, err = connections.AddCredential(ctx, tx, connections.Credential{
		ConnectionID: c.ID, Purpose: p, KeyID: pair.id, PublicJWK: pair.public, Scopes: scopes(s.Provider.Name(), s.Provider.Catalog(), p),
	}, box)
	return err
}

// seal seals the private half of a key pair to the workers: nobody in this process can
// open it again.
func (s connectionService) seal(tx *postgres.Tx, id account.ConnectionID, p account.Purpose, pair keyPair) ([]byte, error) {
	return s.Box.Seal(sealed.CredentialBox(tx.Account(), id, p), pair.private)
}

func (s connectionService) SetCredential(ctx context.Context, r *connect.Request[imagov1.SetCredentialRequest]) (*connect.Response[imagov1.SetCredentialResponse], error) {
	id, err := valid.ID("connection_id", r.Msg.GetConnectionId())
	if err != nil {
		return nil, err
	}
	purpose, err := valid.Purpose("purpose", r.Msg.GetPurpose())
	if err != nil {
		return nil, err
	}
	client, err := valid.ClientID("client_id", r.Msg.GetClientId())
	if err != nil {
		return nil, err
	}
	return change(ctx, s.Service, r, func(w *work) (*imagov1.SetCredentialResponse, error) {
		out, err := s.set(ctx, w.Tx, account.ConnectionID(id), purpose, client)
		if err != nil {
			return nil, err
		}
		return &imagov1.SetCredentialResponse{Connection: out}, w.record(ctx, "set_credential", "connection", id, string(purpose))
	})
}

// set stores a client ID. The read credential is checked at once; the write credential
// only when a restore uses it, since its app is inactive until then.
func (s connectionService) set(ctx context.Context, tx *postgres.Tx, id account.ConnectionID, p account.Purpose, client string) (*imagov1.Connection, error) {
	c, err := connections.Get(ctx, tx, id)
	if err != nil {
		return nil, in("connection_id", connectionsHint, err)
	}
	if err := differs(ctx, tx, id, p, client); err != nil {
		return nil, err
	}
	if err := mayReplace(ctx, tx, id, p); err != nil {
		return nil, err
	}
	if _, err := connections.SetClientID(ctx, tx, id, p, client, scopes(s.Provider.Name(), s.Provider.Catalog(), p)); err != nil {
		return nil, err
	}
	if p == account.Read {
		return s.check(ctx, tx, id)
	}
	return s.shape(ctx, tx, c)
}

// mayReplace refuses a change of the write app while a restore may be writing with it: a
// refused sign-in proves that its window is closed only if it is the same app's.
func mayReplace(ctx context.Context, tx *postgres.Tx, id account.ConnectionID, p account.Purpose) error {
	if p != account.Write {
		return nil
	}
	return restores.Free(ctx, tx, id, "")
}

// differs refuses one service app for both purposes: what backs up must not be able to write.
func differs(ctx context.Context, tx *postgres.Tx, id account.ConnectionID, p account.Purpose, client string) error {
	all, err := connections.Credentials(ctx, tx, id)
	if err != nil {
		return err
	}
	for _, c := range all {
		if c.Purpose != p && c.ClientID == client {
			return problem.InField("client_id", "it is the %s app's already", c.Purpose).
				WithHint("make a service app of its own in the org, so that what backs up cannot write")
		}
	}
	return nil
}

func (s connectionService) CheckConnection(ctx context.Context, r *connect.Request[imagov1.CheckConnectionRequest]) (*connect.Response[imagov1.CheckConnectionResponse], error) {
	id, err := valid.ID("connection_id", r.Msg.GetConnectionId())
	if err != nil {
		return nil, err
	}
	return change(ctx, s.Service, r, func(w *work) (*imagov1.CheckConnectionResponse, error) {
		if err := hasClient(ctx, w.Tx, account.ConnectionID(id)); err != nil {
			return nil, err
		}
		out, err := s.check(ctx, w.Tx, account.ConnectionID(id))
		if err != nil {
			return nil, err
		}
		return &imagov1.CheckConnectionResponse{Connection: out}, w.record(ctx, "check_connection", "connection", id, "")
	})
}

// hasClient refuses a connection whose read app is not known yet.
func hasClient(ctx context.Context, tx *postgres.Tx, id account.ConnectionID) error {
	if _, err := connections.Get(ctx, tx, id); err != nil {
		return in("connection_id", connectionsHint, err)
	}
	all, err := connections.Credentials(ctx, tx, id)
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(all, func(c connections.Credential) bool { return c.Purpose == account.Read && c.ClientID != "" }) {
		return problem.New(problem.Conflict, "the connection has no read credential yet").
			WithHint("make the service app in the org, then set its client ID")
	}
	return nil
}

// check asks a worker to test the read credential.
func (s connectionService) check(ctx context.Context, tx *postgres.Tx, id account.ConnectionID) (*imagov1.Connection, error) {
	c, err := connections.StartCheck(ctx, tx, id)
	if err != nil {
		return nil, in("connection_id", connectionsHint, err)
	}
	if err := tx.Enqueue(ctx, job.CheckConnection{AccountID: string(tx.Account()), ConnectionID: string(id)}); err != nil {
		return nil, err
	}
	return s.shape(ctx, tx, c)
}

// sweepAfter is when what a connection's failed snapshots have left in the store is
// surely rubbish: the worker leaves what is younger than a day alone.
const sweepAfter = 25 * time.Hour

func (s connectionService) DeleteConnection(ctx context.Context, r *connect.Request[imagov1.DeleteConnectionRequest]) (*connect.Response[imagov1.DeleteConnectionResponse], error) {
	id, err := valid.ID("connection_id", r.Msg.GetConnectionId())
	if err != nil {
		return nil, err
	}
	return change(ctx, s.Service, r, func(w *work) (*imagov1.DeleteConnectionResponse, error) {
		gone, err := connections.Delete(ctx, w.Tx, account.ConnectionID(id))
		if p := problem.Of(err); p != nil && p.Kind == problem.Conflict {
			return nil, &wire.Precondition{Problem: p}
		}
		if err != nil {
			return nil, in("connection_id", connectionsHint, err)
		}
		if err := w.removeDemo(ctx, gone.Connection); err != nil {
			return nil, err
		}
		if gone.Rubbish && gone.Demo == "" {
			if err := w.EnqueueAt(ctx, job.SweepRepository{AccountID: string(w.Account()), ConnectionID: id}, s.now().Add(sweepAfter)); err != nil {
				return nil, err
			}
		}
		return &imagov1.DeleteConnectionResponse{}, w.record(ctx, "delete_connection", "connection", id, gone.Name+", "+gone.OrgURL)
	})
}

func (s connectionService) GetConnection(ctx context.Context, r *connect.Request[imagov1.GetConnectionRequest]) (*connect.Response[imagov1.GetConnectionResponse], error) {
	id, err := valid.ID("connection_id", r.Msg.GetConnectionId())
	if err != nil {
		return nil, err
	}
	var out *imagov1.Connection
	err = s.read(ctx, func(tx *postgres.Tx) error {
		c, err := connections.Get(ctx, tx, account.ConnectionID(id))
		if err != nil {
			return in("connection_id", connectionsHint, err)
		}
		out, err = s.shape(ctx, tx, c)
		return err
	})
	if err != nil {
		return nil, err
	}
	return connect.NewResponse(&imagov1.GetConnectionResponse{Connection: out}), nil
}

func (s connectionService) ListConnections(ctx context.Context, r *connect.Request[imagov1.ListConnectionsRequest]) (*connect.Response[imagov1.ListConnectionsResponse], error) {
	var out imagov1.ListConnectionsResponse
	next, err := list(ctx, s.Service, r.Msg, func(tx *postgres.Tx, p postgres.Page) ([]string, error) {
		found, err := connections.List(ctx, tx, p)
		if err != nil {
			return nil, err
		}
		out.Connections = nil
		for _, c := range cut(found, p) {
			shape, err := s.shape(ctx, tx, c)
			if err != nil {
				return nil, err
			}
			out.Connections = append(out.Connections, shape)
		}
		if out.DemoOffered, err = s.offersDemo(ctx, tx); err != nil {
			return nil, err
		}
		return each(found, func(c connections.Connection) string { return string(c.ID) }), nil
	})
	if err != nil {
		return nil, err
	}
	out.NextPageToken = next
	return connect.NewResponse(&out), nil
}

func (s connectionService) SetSchedule(ctx context.Context, r *connect.Request[imagov1.SetScheduleRequest]) (*connect.Response[imagov1.SetScheduleResponse], error) {
	id, err := valid.ID("connection_id", r.Msg.GetConnectionId())
	if err != nil {
		return nil, err
	}
	wanted, err := s.schedule(account.ConnectionID(id), r.Msg)
	if err != nil {
		return nil, err
	}
	return change(ctx, s.Service, r, func(w *work) (*imagov1.SetScheduleResponse, error) {
		if _, err := connections.Get(ctx, w.Tx, wanted.ConnectionID); err != nil {
			return nil, in("connection_id", connectionsHint, err)
		}
		if err := w.maySchedule(ctx, wanted); err != nil {
			return nil, err
		}
		put, err := put(ctx, w.Tx, wanted)
		if err != nil {
			return nil, err
		}
		detail := "off"
		if put.Enabled {
			detail = put.Cron + " " + put.TimeZone
		}
		return &imagov1.SetScheduleResponse{Schedule: scheduleShape(put)}, w.record(ctx, "set_schedule", "connection", id, detail)
	})
}

// schedule checks what a schedule is to be. One that is off may leave out when.
func (s connectionService) schedule(id account.ConnectionID, m *imagov1.SetScheduleRequest) (schedules.Schedule, error) {
	out := schedules.Schedule{ConnectionID: id, Cron: m.GetCron(), TimeZone: m.GetTimeZone(), Enabled: m.GetEnabled()}
	if !out.Enabled && out.Cron == "" && out.TimeZone == "" {
		return out, nil
	}
	if _, err := valid.Text("cron", out.Cron, 200); err != nil {
		return out, err
	}
	if out.TimeZone == "Local" {
		return out, problem.InField("time_zone", "\"Local\" is another zone on every machine").WithHint("write an IANA name, such as Europe/Berlin")
	}
	next, err := schedules.Next(out.Cron, out.TimeZone, s.now())
	if out.Enabled {
		out.NextRunAt = &next
	}
	return out, err
}

// put stores a schedule; switched off without a word of when, it keeps what it had.
func put(ctx context.Context, tx *postgres.Tx, wanted schedules.Schedule) (schedules.Schedule, error) {
	if wanted.Cron == "" {
		had, ok, err := schedules.Get(ctx, tx, wanted.ConnectionID)
		if err != nil {
			return had, err
		}
		wanted.Cron, wanted.TimeZone = "0 2 * * *", "UTC"
		if ok {
			wanted.Cron, wanted.TimeZone = had.Cron, had.TimeZone
		}
	}
	return schedules.Put(ctx, tx, wanted)
}

// shape reads what belongs to a connection, and puts it together.
func (s connectionService) shape(ctx context.Context, tx *postgres.Tx, c connections.Connection) (*imagov1.Connection, error) {
	creds, err := connections.Credentials(ctx, tx, c.ID)
	if err != nil {
		return nil, err
	}
	followed, err := cursors.Status(ctx, tx, c.ID)
	if err != nil {
		return nil, err
	}
	schedule, scheduled, err := schedules.Get(ctx, tx, c.ID)
	if err != nil {
		return nil, err
	}
	open, err := findings.CountOpen(ctx, tx, c.ID)
	if err != nil {
		return nil, err
	}
	check, checked, err := checks.Get(ctx, tx, c.ID)
	if err != nil {
		return nil, err
	}
	catalog := s.Provider.Catalog()
	out := &imagov1.Connection{
		Id: string(c.ID), Name: c.Name, Provider: c.Provider, OrgUrl: c.OrgURL, State: string(c.State), Problem: problemShape(c.Problem),
		OrgId: c.OrgID, Engine: c.Engine, RateShare: c.Share, FollowSeconds: int32(c.FollowSeconds), CheckedAt: stampAt(c.CheckedAt),
		Access:      each(c.Access, func(a connections.Access) *imagov1.TypeAccess { return accessShape(catalog, a) }),
		Credentials: each(creds, func(k connections.Credential) *imagov1.Credential { return credentialShape(c.Provider, k) }),
		FollowedAt:  stampAt(followed.PolledAt), FollowProblem: problemShape(followed.Problem), CreatedAt: stamp(c.CreatedAt),
		OpenFindings: open, Thin: c.Thin, Demo: demoShape(c), DemoAppActive: c.DemoApp,
	}
	if scheduled {
		out.Schedule = scheduleShape(schedule)
	}
	if checked {
		out.RepositoryCheck = checkShape(check)
	}
	return out, nil
}

func accessShape(c resource.Catalog, a connections.Access) *imagov1.TypeAccess {
	info, _ := c.Info(a.Type)
	return &imagov1.TypeAccess{
		Type: string(a.Type), Title: title(c, a.Type), Readable: a.Readable,
		Reason: string(a.Reason), Detail: a.Detail, Scopes: info.ReadScopes,
	}
}

func credentialShape(provider string, c connections.Credential) *imagov1.Credential {
	return &imagov1.Credential{
		Purpose: string(c.Purpose), ClientId: c.ClientID, KeyId: c.KeyID, PublicJwk: string(c.PublicJWK),
		Scopes: c.Scopes, AdminRole: needs[provider].role[c.Purpose],
	}
}

func scheduleShape(s schedules.Schedule) *imagov1.Schedule {
	return &imagov1.Schedule{Cron: s.Cron, TimeZone: s.TimeZone, Enabled: s.Enabled, NextRunAt: stampAt(s.NextRunAt)}
}

// needs is what the service apps need of an org beyond the scopes of the types.
var needs = map[string]struct {
	log  []string                   // scopes to follow the org's log
	role map[account.Purpose]string // the admin role to give
}{
	// Without an admin role Okta answers a service app with nothing, or 403, whatever its
	// scopes; roles and their assignments are written by a super admin alone.
	"okta": {[]string{"okta.logs.read"}, map[account.Purpose]string{account.Read: "READ_ONLY_ADMIN", account.Write: "SUPER_ADMIN"}},
}

// scopes are what a service app is to be granted, sorted.
func scopes(provider string, c resource.Catalog, p account.Purpose) []string {
	var out []string
	for _, info := range c {
		if p == account.Write {
			out = append(out, info.WriteScopes...)
		} else {
			out = append(out, info.ReadScopes...)
		}
	}
	if p == account.Read {
		out = append(out, needs[provider].log...)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// list reads one page. rows asks for one row more than the page holds, answers the IDs
// of all it found, and shapes what cut leaves.
func list(ctx context.Context, s *Service, r page.Request, rows func(*postgres.Tx, postgres.Page) ([]string, error)) (next string, err error) {
	size, err := page.Size(r)
	if err != nil {
		return "", err
	}
	ring, err := s.keyring(ctx)
	if err != nil {
		return "", err
	}
	before, err := page.Position(mac(ring), r)
	if err != nil {
		return "", err
	}
	var ids []string
	err = s.read(ctx, func(tx *postgres.Tx) (err error) {
		ids, err = rows(tx, postgres.Page{Before: before, Limit: size + 1})
		return err
	})
	if err != nil || len(ids) <= size {
		return "", err
	}
	return page.Token(mac(ring), r, ids[size-1])
}

// cut drops the row that only shows that there are more.
func cut[T any](found []T, p postgres.Page) []T {
	return found[:min(len(found), p.Limit-1)]
}
