package api

import (
	"cmp"
	"context"
	"slices"
	"time"

	"connectrpc.com/connect"

	"imago/pkg/account"
	"imago/pkg/postgres"
	"imago/pkg/postgres/changes"
	"imago/pkg/postgres/connections"
	"imago/pkg/postgres/cursors"
	"imago/pkg/postgres/findings"
	"imago/pkg/postgres/schedules"
	"imago/pkg/postgres/snapshots"
	imagov1 "imago/proto/imago/v1"
	rpc "imago/proto/imago/v1/imagov1connect"
	"imago/services/api/internal/valid"
)

// sparkDays is how many days of changes an overview shows.
const sparkDays = 30

type overviewService struct{ *Service }

var _ rpc.OverviewServiceHandler = overviewService{}

func (s *Service) overview() overviewService { return overviewService{s} }

func (s overviewService) GetOverview(ctx context.Context, r *connect.Request[imagov1.GetOverviewRequest]) (*connect.Response[imagov1.GetOverviewResponse], error) {
	id, err := valid.ID("connection_id", r.Msg.GetConnectionId())
	if err != nil {
		return nil, err
	}
	v := view{now: s.now()}
	err = s.read(ctx, func(tx *postgres.Tx) error { return v.read(ctx, tx, account.ConnectionID(id)) })
	if err != nil {
		return nil, err
	}
	return connect.NewResponse(&imagov1.GetOverviewResponse{Overview: s.show(v)}), nil
}

// view is what the database knows of a connection's protection.
type view struct {
	now        time.Time
	connection connections.Connection
	snapshots  snapshots.Standing
	followed   cursors.Cursor
	schedule   *imagov1.Schedule
	open       []findings.Severity
	days       []changes.Day
}

func (v *view) read(ctx context.Context, tx *postgres.Tx, id account.ConnectionID) (err error) {
	if v.connection, err = connections.Get(ctx, tx, id); err != nil {
		return in("connection_id", connectionsHint, err)
	}
	if v.snapshots, err = snapshots.Stand(ctx, tx, id); err != nil {
		return err
	}
	if v.followed, err = cursors.Status(ctx, tx, id); err != nil {
		return err
	}
	if v.open, err = findings.BySeverity(ctx, tx, id); err != nil {
		return err
	}
	if v.days, err = changes.Days(ctx, tx, id, v.now, sparkDays); err != nil {
		return err
	}
	schedule, ok, err := schedules.Get(ctx, tx, id)
	if ok {
		v.schedule = scheduleShape(schedule)
	}
	return err
}

func (s overviewService) show(v view) *imagov1.Overview {
	out := &imagov1.Overview{
		ConnectionId: string(v.connection.ID), ProtectedSince: stampAt(v.snapshots.Since), LastComplete: s.brief(v.snapshots.Complete),
		LastTaken: s.brief(v.snapshots.Taken), Running: s.brief(v.snapshots.Running), RecoveryPoint: stampAt(v.recoveryPoint()),
		FollowProblem: problemShape(v.followed.Problem), OpenFindings: bySeverity(v.open), Schedule: v.schedule, Budget: v.budget(),
		Days: each(v.days, func(d changes.Day) *imagov1.DayCount {
			return &imagov1.DayCount{Day: d.Day.UTC().Format(time.DateOnly), Changes: d.Changes, Findings: d.Findings}
		}),
	}
	if c := v.snapshots.Complete; c != nil && c.StartedAt != nil {
		out.LastCompleteAgeSeconds = int64(max(0, v.now.Sub(*c.StartedAt)).Seconds())
	}
	if v.snapshots.Taken != nil {
		out.Gaps = gapCounts(v.snapshots.Taken.Types)
	}
	return out
}

// brief is a snapshot without its types.
func (s *Service) brief(row *snapshots.Snapshot) *imagov1.Snapshot {
	if row == nil {
		return nil
	}
	short := *row
	short.Types = nil
	return s.shape(short)
}

// recoveryPoint is up to when the org is known. A log without a snapshot to begin from
// puts nothing back; one that cannot be read now was still read when it was.
func (v view) recoveryPoint() *time.Time {
	taken := v.snapshots.Taken
	if taken == nil {
		return nil
	}
	if at := v.followed.PolledAt; at != nil && taken.StartedAt != nil && at.After(*taken.StartedAt) {
		return at
	}
	return taken.StartedAt
}

// budget counts the requests of the snapshot that is being taken, else of the newest.
func (v view) budget() *imagov1.Budget {
	out := &imagov1.Budget{RateShare: v.connection.Share}
	of, until := v.snapshots.Running, v.now
	if of == nil || of.StartedAt == nil {
		of = v.snapshots.Taken
	}
	if of == nil || of.StartedAt == nil {
		return out
	}
	if of.EndedAt != nil {
		until = *of.EndedAt
	}
	out.Calls = of.Calls
	// Less than a minute is a minute: no org counts by less.
	out.CallsAMinute = float64(of.Calls) / max(1, until.Sub(*of.StartedAt).Minutes())
	return out
}

// bySeverity has a number for each severity, most severe first.
func bySeverity(open []findings.Severity) []*imagov1.SeverityCount {
	return each(severities(), func(name string) *imagov1.SeverityCount {
		out := &imagov1.SeverityCount{Severity: name}
		for _, o := range open {
			if o.Severity == name {
				out.Open = o.Open
			}
		}
		return out
	})
}

// gapCounts counts by reason what a snapshot lacks of what the org has.
func gapCounts(types []snapshots.Type) []*imagov1.GapCount {
	by := map[string]*imagov1.GapCount{}
	for _, t := range types {
		for _, g := range t.Gaps {
			reason := string(g.Reason)
			if by[reason] == nil {
				by[reason] = &imagov1.GapCount{Reason: reason}
			}
			c := by[reason]
			c.Gaps++
			if !slices.Contains(c.Types, string(t.Type)) {
				c.Types = append(c.Types, string(t.Type))
			}
		}
	}
	out := make([]*imagov1.GapCount, 0, len(by))
	for _, c := range by {
		out = append(out, c)
	}
	slices.SortFunc(out, func(a, b *imagov1.GapCount) int { return cmp.Compare(a.GetReason(), b.GetReason()) })
	return out
}
