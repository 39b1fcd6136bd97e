package api

import (
	"context"
	"strings"

	"connectrpc.com/connect"

	"imago/pkg/account"
	"imago/pkg/job"
	"imago/pkg/postgres"
	"imago/pkg/postgres/connections"
	"imago/pkg/problem"
	imagov1 "imago/proto/imago/v1"
	"imago/services/api/internal/valid"
)

const (
	// demoMark stands in a demo's name, so that it is told wherever the name is: in mails,
	// in the activity log, on the command line.
	demoMark = "(demo)"
	demoName = "Acme Robotics " + demoMark
	// demoFollow is how often a demo's log is read: people watch it for some minutes.
	demoFollow = 10
)

func (s connectionService) CreateDemo(ctx context.Context, r *connect.Request[imagov1.CreateDemoRequest]) (*connect.Response[imagov1.CreateDemoResponse], error) {
	if s.config.DemoOrgs == "" {
		return nil, problem.New(problem.Unavailable, "this Imago has no demo orgs").WithHint("connect an org of your own")
	}
	pairs, err := newKeyPairs()
	if err != nil {
		return nil, err
	}
	return change(ctx, s.Service, r, func(w *work) (*imagov1.CreateDemoResponse, error) {
		made, err := connections.CreateDemo(ctx, w.Tx, connections.Connection{Provider: s.Provider.Name(), Name: demoName, FollowSeconds: demoFollow})
		if err != nil {
			return nil, err
		}
		for _, p := range purposes {
			if err := s.addCredential(ctx, w.Tx, made, p, pairs[p]); err != nil {
				return nil, err
			}
		}
		if err := w.Enqueue(ctx, job.MakeDemo{AccountID: string(w.Account()), ConnectionID: string(made.ID)}); err != nil {
			return nil, err
		}
		out, err := s.shape(ctx, w.Tx, made)
		if err != nil {
			return nil, err
		}
		return &imagov1.CreateDemoResponse{Connection: out}, w.record(ctx, "create_demo", "connection", string(made.ID), made.Name)
	})
}

func (s connectionService) SwitchDemoApp(ctx context.Context, r *connect.Request[imagov1.SwitchDemoAppRequest]) (*connect.Response[imagov1.SwitchDemoAppResponse], error) {
	id, err := valid.ID("connection_id", r.Msg.GetConnectionId())
	if err != nil {
		return nil, err
	}
	return change(ctx, s.Service, r, func(w *work) (*imagov1.SwitchDemoAppResponse, error) {
		c, err := connections.Get(ctx, w.Tx, account.ConnectionID(id))
		if err != nil {
			return nil, in("connection_id", connectionsHint, err)
		}
		if c.Demo == "" {
			return nil, problem.InField("connection_id", "%s is no demo", c.Name).WithHint("an admin of the org switches its apps, in Okta")
		}
		if err := connections.SwitchDemo(ctx, w.Tx, c.ID, r.Msg.GetActive()); err != nil {
			return nil, err
		}
		to := map[bool]string{true: "activate", false: "deactivate"}[r.Msg.GetActive()]
		if err := w.Enqueue(ctx, job.SwitchDemo{AccountID: string(w.Account()), ConnectionID: id}); err != nil {
			return nil, err
		}
		return &imagov1.SwitchDemoAppResponse{}, w.record(ctx, "switch_demo_app", "connection", id, to)
	})
}

// offersDemo reports whether the account may make a demo.
func (s connectionService) offersDemo(ctx context.Context, tx *postgres.Tx) (bool, error) {
	if s.config.DemoOrgs == "" {
		return false, nil
	}
	has, err := connections.HasDemo(ctx, tx)
	return !has, err
}

// demoShape is how far a demo is, for people.
func demoShape(c connections.Connection) string {
	if c.Demo == "" || c.Demo == connections.DemoReady {
		return c.Demo
	}
	return "preparing"
}

// staysDemo refuses a name for a demo that does not say that it is one.
func staysDemo(c connections.Connection, name string) error {
	if c.Demo != "" && !strings.Contains(name, demoMark) {
		return problem.InField("name", "a demo says in its name that it is one").WithHint("keep %s in it", demoMark)
	}
	return nil
}

// removeDemo has the org, and the snapshots, of a demo that is gone removed.
func (w *work) removeDemo(ctx context.Context, c connections.Connection) error {
	if c.Demo == "" {
		return nil
	}
	return w.Enqueue(ctx, job.RemoveDemo{AccountID: string(w.Account()), ConnectionID: string(c.ID)})
}
