package worker

import (
	"context"
	"fmt"
	"hash/fnv"
	"log/slog"
	"time"

	"imago/pkg/account"
	"imago/pkg/envelope"
	"imago/pkg/job"
	"imago/pkg/postgres"
	"imago/pkg/postgres/connections"
	"imago/pkg/postgres/orgs"
	"imago/pkg/postgres/schedules"
	"imago/pkg/postgres/work"
	"imago/pkg/problem"
	"imago/pkg/provider"
)

// How often an org that does not answer is asked again before the check has failed: a
// person waits for the first check, but an org that was ready may well come back.
const (
	triesOfNew   = 3
	triesOfReady = 9
)

// checkConnection tests the read credential, type by type, and stores what it can read.
func (s *Service) checkConnection(ctx context.Context, u work.Unit, a job.CheckConnection) (work.End, error) {
	id := account.ConnectionID(a.ConnectionID)
	ring, err := s.keyrings.Of(ctx, u.Proof, account.ID(a.AccountID))
	if err != nil {
		return s.notBegun(ctx, u, err)
	}
	org, err := s.orgs.Read(ctx, u.Proof, id)
	if org.ID == "" {
		return work.End{}, err // the database's error, not the org's
	}
	found := connections.Checked{At: s.Now()}
	if err == nil {
		err = probe(ctx, org, &found)
	}
	if wait := provider.WaitOf(err); wait != nil {
		return work.Again(wait.Until.Sub(s.Now())), nil
	}
	if ctx.Err() != nil || work.Transient(err) && u.Attempt < tries(org) {
		return work.End{}, fmt.Errorf("check connection %s: %w", id, err)
	}
	if err != nil {
		found.Problem = work.Problem(err)
	}
	return s.storeCheck(ctx, u, ring, org, found, err)
}

func tries(org orgs.Org) int {
	if org.State == connections.Ready {
		return triesOfReady
	}
	return triesOfNew
}

// probe asks the org who it is, and each type whether it can be read.
func probe(ctx context.Context, org orgs.Org, into *connections.Checked) error {
	facts, err := org.Reader.Org(ctx)
	if err != nil {
		return err
	}
	into.OrgID, into.Engine = facts.ID, facts.Engine
	prober, ok := org.Reader.(provider.Prober)
	if !ok {
		return nil
	}
	readable := 0
	for access, err := range prober.Probe(ctx) {
		if err != nil {
			return fmt.Errorf("probe: %w", err)
		}
		row := connections.Access{Type: access.Type, Readable: access.Readable}
		if access.Gap != nil {
			row.Reason, row.Detail = access.Gap.Reason, access.Gap.Detail
		}
		if access.Readable {
			readable++
		}
		into.Access = append(into.Access, row)
	}
	if readable == 0 {
		return problem.New(problem.Denied, "the service app signs in, and can read nothing").
			WithHint("grant it the read scopes, and give it the admin role that connecting names")
	}
	return nil
}

// storeCheck stores the outcome; a connection that is ready gets its first schedule and
// is followed from now on. cause is the whole error behind a problem, for the log.
func (s *Service) storeCheck(ctx context.Context, u work.Unit, ring *envelope.Keyring, org orgs.Org, found connections.Checked, cause error) (work.End, error) {
	e := work.Event{At: found.At, Action: "check_connection", TargetType: "connection", TargetID: string(org.ID), Detail: "the connection is ready"}
	if found.Problem != nil {
		e.Detail = "the check failed: " + found.Problem.Error()
	}
	err := s.DB.As(ctx, u.Proof, func(tx *postgres.Tx) error {
		if err := connections.SetChecked(ctx, tx, org.ID, found); err != nil {
			return err
		}
		if state := credentialState(found.Problem); state != "" {
			if err := connections.SetCredentialState(ctx, tx, org.ID, account.Read, state); err != nil {
				return err
			}
		}
		if found.Problem == nil {
			if err := s.begin(ctx, tx, org.ID); err != nil {
				return err
			}
		}
		return u.Record(ctx, tx, ring, e)
	})
	if err != nil {
		return work.End{}, fmt.Errorf("store the check of connection %s: %w", org.ID, err)
	}
	if found.Problem != nil {
		s.Log.WarnContext(ctx, "connection refused", "connection", org.ID, "job", u.Job, "error", cause)
		return work.Done(outcome("failed"), slog.String("problem", string(found.Problem.Kind))), nil
	}
	return work.Done(outcome("ready"), slog.Int("types", len(found.Access))), nil
}

// credentialState is what a check says of the credential; "" when the org did not answer.
func credentialState(why *problem.Problem) string {
	switch {
	case why == nil:
		return "working"
	case why.Kind == problem.Denied:
		return "refused"
	}
	return ""
}

// begin makes a ready connection's snapshots and drift come by themselves.
func (s *Service) begin(ctx context.Context, tx *postgres.Tx, id account.ConnectionID) error {
	nightly := nightlyAt(id)
	next, err := schedules.Next(nightly, "UTC", s.Now())
	if err != nil {
		return err
	}
	err = schedules.Default(ctx, tx, schedules.Schedule{ConnectionID: id, Cron: nightly, TimeZone: "UTC", Enabled: true, NextRunAt: &next})
	if err != nil {
		return fmt.Errorf("give the connection a schedule: %w", err)
	}
	return tx.Enqueue(ctx, job.FollowLog{AccountID: string(tx.Account()), ConnectionID: string(id)})
}

// nightlyAt is every night between two and three, UTC, at a minute of the connection's
// own: not all orgs at once.
func nightlyAt(id account.ConnectionID) string {
	h := fnv.New32a()
	h.Write([]byte(id)) // never fails, says hash.Hash
	return fmt.Sprintf("%d 2 * * *", h.Sum32()%60)
}

func outcome(word string) slog.Attr { return slog.String("result", word) }

// later is how long something that began then and does not get on is left alone: an
// eighth of the time that it took already, between two seconds and a minute.
func (s *Service) later(began time.Time) time.Duration {
	return min(max(s.Now().Sub(began)/8, 2*time.Second), time.Minute)
}
