package worker

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"imago/pkg/account"
	"imago/pkg/demo"
	"imago/pkg/envelope"
	"imago/pkg/job"
	"imago/pkg/postgres"
	"imago/pkg/postgres/connections"
	"imago/pkg/postgres/snapshots"
	"imago/pkg/postgres/work"
	"imago/pkg/problem"
	"imago/pkg/repository"
)

const (
	// breath is between two things that happen in a demo's story, so that they can be told
	// apart by their time.
	breath = 2 * time.Second
	// straggler is how long after a demo's end nothing of what was under way for it can
	// still be writing.
	straggler = 25 * time.Hour
)

// chapter is a step of a demo's story. It can be played again, for whoever was killed in
// it, and answers whether the story goes on.
type chapter struct {
	name string
	play func(*telling, context.Context) (done bool, err error)
}

// chapters are a demo's story in its order: an org is made and connected, and there are
// three snapshots: before a day of work, after it, and after what happened that night.
func chapters() []chapter {
	all := []chapter{{connections.DemoFirst, (*telling).furnish}, {"connect", (*telling).connected}, {"first", untilTaken(1)}}
	all = append(all, scenes(demo.Day())...)
	all = append(all, chapter{"second", untilTaken(2)})
	all = append(all, scenes(demo.Night())...)
	return append(all, chapter{"third", untilTaken(3)})
}

func scenes(all []demo.Scene) (out []chapter) {
	for _, s := range all {
		out = append(out, chapter{s.Name, scene(s)})
	}
	return out
}

// telling is one slice of a demo's story.
type telling struct {
	*Service
	unit work.Unit
	ring *envelope.Keyring
	row  connections.Connection
}

// makeDemo plays the next chapter of a demo's story.
func (s *Service) makeDemo(ctx context.Context, u work.Unit, a job.MakeDemo) (work.End, error) {
	ring, err := s.keyrings.Of(ctx, u.Proof, account.ID(a.AccountID))
	if err != nil {
		return s.notBegun(ctx, u, err)
	}
	t := &telling{Service: s, unit: u, ring: ring}
	if t.row, err = s.demoRow(ctx, u, a.ConnectionID); problem.Is(err, problem.NotFound) {
		return work.Done(outcome("removed")), nil
	}
	if err != nil {
		return s.notBegun(ctx, u, err)
	}
	all := chapters()
	for i, c := range all {
		if c.name != t.row.Demo {
			continue
		}
		done, err := c.play(t, ctx)
		switch {
		case err != nil:
			return t.held(ctx, err)
		case !done:
			return work.Again(breath), nil
		case i+1 == len(all):
			return work.Done(outcome(connections.DemoReady)), t.turn(ctx, connections.DemoReady)
		}
		return work.Again(breath), t.turn(ctx, all[i+1].name)
	}
	return work.Done(outcome("told")), nil
}

// demoRow reads a connection that is a demo.
func (s *Service) demoRow(ctx context.Context, u work.Unit, id string) (c connections.Connection, err error) {
	err = s.DB.As(ctx, u.Proof, func(tx *postgres.Tx) error {
		c, err = connections.Get(ctx, tx, account.ConnectionID(id))
		return err
	})
	return c, err
}

// turn turns to the next chapter. That the story is told stands in the activity log.
func (t *telling) turn(ctx context.Context, next string) error {
	return t.DB.As(ctx, t.unit.Proof, func(tx *postgres.Tx) error {
		if err := connections.SetDemo(ctx, tx, t.row.ID, next); err != nil || next != connections.DemoReady {
			return err
		}
		return t.unit.Record(ctx, tx, t.ring, work.Event{At: t.Now(), Action: "complete_demo", TargetType: "connection", TargetID: string(t.row.ID),
			Detail: "the story of the demo org has been played"})
	})
}

// held waits for a simulator that is away, and shows that on a connection that nobody
// could make yet.
func (t *telling) held(ctx context.Context, cause error) (work.End, error) {
	if stopped(ctx) {
		return work.Again(0, outcome("stopped")), nil
	}
	if !work.Transient(cause) {
		return work.End{}, fmt.Errorf("make demo %s: %w", t.row.ID, cause)
	}
	ctx, cancel := aftermath(ctx)
	defer cancel()
	t.Log.WarnContext(ctx, "demo is held up", "job", t.unit.Job, "connection", t.row.ID, "error", cause)
	if t.row.State != connections.Ready {
		found := connections.Checked{At: t.Now(), Problem: work.Problem(cause)}
		err := t.DB.As(ctx, t.unit.Proof, func(tx *postgres.Tx) error { return connections.SetChecked(ctx, tx, t.row.ID, found) })
		if err != nil {
			return work.End{}, fmt.Errorf("tell what holds demo %s up: %w", t.row.ID, err)
		}
	}
	if t.Now().Sub(t.unit.Since) > t.config.Patience {
		return work.Done(outcome("given up")), nil
	}
	return work.Again(t.later(t.unit.Since), outcome("held up")), nil
}

// furnish makes the org and the two service apps in it, and has the connection checked.
func (t *telling) furnish(ctx context.Context) (bool, error) {
	if err := t.demos.Make(ctx, t.row.ID); err != nil {
		return false, err
	}
	apps, err := t.apps(ctx)
	if err != nil {
		return false, err
	}
	clients := map[account.Purpose]string{}
	for _, c := range apps {
		app := demo.App{PublicJWK: c.PublicJWK, Scopes: c.Scopes, Purpose: c.Purpose}
		if clients[c.Purpose], err = t.demos.Add(ctx, t.row.ID, app); err != nil {
			return false, err
		}
	}
	err = t.DB.As(ctx, t.unit.Proof, func(tx *postgres.Tx) error {
		for purpose, id := range clients {
			if err := connections.SetDemoClient(ctx, tx, purpose, id); err != nil {
				return err
			}
		}
		if _, err := connections.StartCheck(ctx, tx, t.row.ID); err != nil {
			return err
		}
		return tx.Enqueue(ctx, job.CheckConnection{AccountID: string(tx.Account()), ConnectionID: string(t.row.ID)})
	})
	return err == nil, err
}

func (t *telling) apps(ctx context.Context) (apps []connections.Credential, err error) {
	err = t.DB.As(ctx, t.unit.Proof, func(tx *postgres.Tx) error {
		apps, err = connections.Credentials(ctx, tx, t.row.ID)
		return err
	})
	return apps, err
}

// connected waits for the check; after one that failed the org is made anew.
func (t *telling) connected(ctx context.Context) (bool, error) {
	if t.row.State == connections.Failed {
		return false, t.turn(ctx, connections.DemoFirst)
	}
	return t.row.State == connections.Ready, nil
}

// untilTaken sees to it that the demo holds so many snapshots.
func untilTaken(n int) func(*telling, context.Context) (bool, error) {
	return func(t *telling, ctx context.Context) (there bool, err error) {
		err = t.DB.As(ctx, t.unit.Proof, func(tx *postgres.Tx) error {
			taken, err := snapshots.Taken(ctx, tx, t.row.ID, n)
			if there = len(taken) >= n; err != nil || there {
				return err
			}
			_, _, err = snapshots.Queue(ctx, tx, t.row.ID, snapshots.Schedule)
			return err
		})
		return there, err
	}
}

// scene plays one in the org.
func scene(s demo.Scene) func(*telling, context.Context) (bool, error) {
	return func(t *telling, ctx context.Context) (bool, error) {
		err := t.demos.Play(ctx, t.row.ID, s)
		return err == nil, err
	}
}

// switchDemo switches a demo's write app, as whoever asked for it would in Okta.
func (s *Service) switchDemo(ctx context.Context, u work.Unit, a job.SwitchDemo) (work.End, error) {
	row, err := s.demoRow(ctx, u, a.ConnectionID)
	if problem.Is(err, problem.NotFound) || err == nil && row.Demo == "" {
		return work.Done(outcome("no demo")), nil
	}
	if err != nil {
		return s.notBegun(ctx, u, err)
	}
	if err := s.demos.Switch(ctx, row.ID, row.DemoApp); err != nil {
		return work.End{}, fmt.Errorf("switch the write app of demo %s: %w", row.ID, err)
	}
	return work.Done(slog.Bool("on", row.DemoApp)), nil
}

// removeDemo removes the org and the snapshots of a demo that is gone, and a day later what
// something that was under way then may have written since. An org that cannot be removed
// now, its simulator being away, is no reason to keep the rest.
func (s *Service) removeDemo(ctx context.Context, u work.Unit, a job.RemoveDemo) (work.End, error) {
	ring, err := s.keyrings.Of(ctx, u.Proof, account.ID(a.AccountID))
	if err != nil {
		return s.notBegun(ctx, u, err)
	}
	id := account.ConnectionID(a.ConnectionID)
	if _, err := s.demoRow(ctx, u, a.ConnectionID); !problem.Is(err, problem.NotFound) {
		return work.Done(outcome("it is still there")), err
	}
	repo, err := repository.New(s.Store, ring, account.ID(a.AccountID), id, repository.Options{})
	if err != nil {
		return work.End{}, err
	}
	if err := repo.Clear(ctx); err != nil {
		return work.End{}, fmt.Errorf("clear the repository of demo %s: %w", id, err)
	}
	gone := s.demos.Remove(ctx, id)
	if gone != nil {
		s.Log.WarnContext(ctx, "demo org is not removed", "job", u.Job, "connection", id, "error", gone)
	}
	end := u.Since.Add(straggler)
	switch {
	case s.Now().After(end):
		return work.Done(), nil
	case gone != nil:
		return work.Again(s.later(u.Since), outcome("held up")), nil
	}
	return work.Again(end.Sub(s.Now())), nil
}
