package worker

import (
	"context"
	"fmt"
	"hash/fnv"
	"log/slog"
	"path"
	"slices"
	"strings"
	"time"

	"imago/pkg/account"
	"imago/pkg/envelope"
	"imago/pkg/job"
	"imago/pkg/postgres"
	"imago/pkg/postgres/checks"
	"imago/pkg/postgres/messages"
	"imago/pkg/postgres/sealed"
	"imago/pkg/postgres/work"
	"imago/pkg/repository"
	"imago/pkg/snapshot"
)

// weeklySample is the part of a repository's data that is read once a week.
const weeklySample = 0.05

// checkRepository sees that every snapshot is there, and every object that one stands on, and
// once a week reads a part of them. What it found stands in the connection's check; the activity log
// hears of damage, and of each weekly look, and people of new damage.
func (s *Service) checkRepository(ctx context.Context, u work.Unit, a job.CheckRepository) (work.End, error) {
	id, connection := account.ID(a.AccountID), account.ConnectionID(a.ConnectionID)
	ring, err := s.keyrings.Of(ctx, u.Proof, id)
	if err != nil {
		return s.notBegun(ctx, u, err)
	}
	repo, err := repository.New(s.Store, ring, id, connection, repository.Options{})
	if err != nil {
		return work.End{}, err
	}
	was, err := s.checkedBefore(ctx, u, ring, connection)
	if err != nil {
		return work.End{}, fmt.Errorf("read how the repository of connection %s was: %w", connection, err)
	}
	o := howClosely(connection, s.Now())
	o.Again = was
	if o.Known, err = s.live(ctx, u, connection); err != nil {
		return work.End{}, err
	}
	report, err := repo.Check(ctx, o)
	if stopped(ctx) {
		return work.Again(0, outcome("stopped")), nil
	}
	if err != nil {
		return work.End{}, fmt.Errorf("check the repository of connection %s: %w", connection, err)
	}
	strangers, err := s.strangers(ctx, u, repo, connection)
	if err != nil {
		return work.End{}, fmt.Errorf("check the repository of connection %s: %w", connection, err)
	}
	if err := s.noteCheck(ctx, u, ring, connection, looked{report, o, strangers}); err != nil {
		return work.End{}, fmt.Errorf("note what the check of connection %s found: %w", connection, err)
	}
	for _, d := range report.Damage {
		s.Log.ErrorContext(ctx, "repository is damaged", "job", u.Job, "connection", connection, "object", d.Object, "what", d.What, "snapshots", len(d.Snapshots))
	}
	return work.Done(slog.Int64("snapshots", report.Snapshots), slog.Int64("segments", report.Segments),
		slog.Int64("read", report.Read), slog.Int("damaged", len(report.Damage))), nil
}

// checkedBefore gives the objects that were damaged when somebody looked last. They are read
// again: damage that was found by chance is not forgotten because chance reads elsewhere.
func (s *Service) checkedBefore(ctx context.Context, u work.Unit, ring *envelope.Keyring, id account.ConnectionID) (map[string]bool, error) {
	var all []checks.Damaged
	err := s.DB.As(ctx, u.Proof, func(tx *postgres.Tx) error {
		c, ok, err := checks.Get(ctx, tx, id)
		if err != nil || !ok {
			return err
		}
		return sealed.Check(id).Open(ring, c.Sealed, &all)
	})
	out := map[string]bool{}
	for _, d := range all {
		out[d.Object] = true
	}
	return out, err
}

// looked is a check that has ended.
type looked struct {
	repository.Report
	o         repository.CheckOptions
	strangers []string // prefixes
}

// noteCheck stores what a check found. Damage that was not there before is told by mail,
// once; the activity log tells of it each time.
func (s *Service) noteCheck(ctx context.Context, u work.Unit, ring *envelope.Keyring, id account.ConnectionID, l looked) error {
	ctx, cancel := aftermath(ctx)
	defer cancel()
	row, err := l.row(ring, id, s.Now())
	if err != nil {
		return err
	}
	return s.DB.As(ctx, u.Proof, func(tx *postgres.Tx) error {
		saved, err := checks.Save(ctx, tx, row, l.worse())
		if err != nil {
			return err
		}
		if l.worse() {
			if _, err := messages.Queue(ctx, tx, messages.RepositoryDamaged, *saved.AlarmID); err != nil {
				return err
			}
		}
		for _, e := range l.events() {
			e.At, e.TargetID = s.Now(), string(id)
			if err := u.Record(ctx, tx, ring, e); err != nil {
				return err
			}
		}
		return nil
	})
}

// events are what a check has to tell.
func (l looked) events() (out []work.Event) {
	if e, tells := checkEvent(l.Report, l.o); tells {
		out = append(out, e)
	}
	if e, tells := strangerEvent(l.strangers); tells {
		out = append(out, e)
	}
	return out
}

// mostDamaged bounds the list of what is damaged: where more is, all of it may be.
const mostDamaged = 1000

func (l looked) listed() []repository.Damage { return l.Damage[:min(len(l.Damage), mostDamaged)] }

// worse reports whether something is damaged that was not before.
func (l looked) worse() bool {
	return slices.ContainsFunc(l.listed(), func(d repository.Damage) bool { return !l.o.Again[d.Object] })
}

func (l looked) row(ring *envelope.Keyring, id account.ConnectionID, now time.Time) (checks.Check, error) {
	c := checks.Check{
		ConnectionID: id, CheckedAt: now, Sample: float32(l.o.Sample), Snapshots: l.Snapshots, Segments: l.Segments,
		SegmentsRead: l.Read, Bytes: l.Bytes, Damaged: len(l.Damage),
	}
	concerned := map[string]bool{}
	for _, d := range l.Damage {
		for _, s := range d.Snapshots {
			concerned[s] = true
		}
	}
	c.Concerned = len(concerned)
	all := []checks.Damaged{}
	for _, d := range l.listed() {
		all = append(all, damagedOf(d))
	}
	var err error
	c.Sealed, err = sealed.Check(id).Seal(ring, all)
	return c, err
}

// damagedOf says of the snapshots how many they are, and of which time: they rise by it.
func damagedOf(d repository.Damage) checks.Damaged {
	out := checks.Damaged{Object: d.Object, What: d.What, Snapshots: len(d.Snapshots)}
	for _, s := range d.Snapshots {
		at, ok := snapshot.ParseFolder(path.Base(s))
		if ok && out.First.IsZero() {
			out.First = at
		}
		if ok {
			out.Last = at
		}
	}
	return out
}

// howClosely reads a part of the data on one day of the week, each connection on its own,
// and another part each week.
func howClosely(id account.ConnectionID, now time.Time) (o repository.CheckOptions) {
	h := fnv.New32a()
	h.Write([]byte(id)) // never fails, says hash.Hash
	if int(h.Sum32()%7) == int(now.UTC().Weekday()) {
		year, week := now.UTC().ISOWeek()
		o.Sample, o.Seed = weeklySample, uint64(year*100+week)
	}
	return o
}

// checkEvent is what a check has to tell, if anything.
func checkEvent(report repository.Report, o repository.CheckOptions) (work.Event, bool) {
	looked := fmt.Sprintf("%s on %s, the data of %d read", count(report.Snapshots, "snapshot"), count(report.Segments, "segment"), report.Read)
	if n := len(report.Damage); n > 0 {
		return work.Event{Action: "find_damage", TargetType: "connection",
			Detail: fmt.Sprintf("%s damaged or missing: %s%s; the org's page tells which, and whom it concerns", count(int64(n), "object"), looked, lacks(report.Missing))}, true
	}
	return work.Event{Action: "check_repository", TargetType: "connection", Detail: "no damage: " + looked}, o.Sample > 0
}

// lacks names snapshots that are not in the store, though nobody let them go; none: "".
func lacks(prefixes []string) string {
	if len(prefixes) == 0 {
		return ""
	}
	return "; not there, though nobody let go of: " + folders(prefixes)
}

// folders names snapshots by where they lie.
func folders(prefixes []string) string {
	var names []string
	for _, p := range prefixes[:min(len(prefixes), mostNamed)] {
		names = append(names, path.Base(p))
	}
	if more := len(prefixes) - len(names); more > 0 {
		names = append(names, fmt.Sprintf("%d more", more))
	}
	return strings.Join(names, ", ")
}

// mostNamed bounds how many snapshots a sentence names.
const mostNamed = 3
