package cli

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/types/known/timestamppb"

	imagov1 "imago/proto/imago/v1"
)

func (p *program) statusCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "status [CONNECTION]",
		Short: "Show how each connection stands",
		Long: "status shows of each connection its last snapshot and its age, the next one, how far\n" +
			"the org's log was read, how the backups were found when a worker checked them, open\n" +
			"findings and gaps. The exit code is 3 when something needs somebody: no snapshot yet, a\n" +
			"gap, an open finding, damage, or a problem.",
		Example: example("imago status", "all of them", "imago status acme", "one"),
		Args:    maxArgs(1),
		RunE:    func(cmd *cobra.Command, args []string) error { return p.status(cmd.Context(), args) },
	}
}

// standing is how one connection stands.
type standing struct {
	conn   *imagov1.Connection
	last   *imagov1.Snapshot // the last that can be opened
	newest *imagov1.Snapshot // may be under way, or have failed
}

func (p *program) status(ctx context.Context, args []string) error {
	api, err := p.api()
	if err != nil {
		return err
	}
	conns, err := p.chosen(ctx, api, args)
	if err != nil {
		return err
	}
	careful := false
	for i, c := range conns {
		s, err := api.standing(ctx, c)
		if err != nil {
			return err
		}
		if i > 0 && !p.json {
			p.print("\n")
		}
		if err := p.showStanding(s); err != nil {
			return err
		}
		careful = careful || s.needsSomebody()
	}
	if careful {
		return errIncomplete
	}
	return nil
}

// chosen are the connections that the person means: one, or all.
func (p *program) chosen(ctx context.Context, api *api, args []string) ([]*imagov1.Connection, error) {
	if len(args) > 0 || p.connection != "" {
		c, err := p.pick(ctx, api, args)
		return []*imagov1.Connection{c}, err
	}
	all, err := api.allConnections(ctx)
	if err == nil && len(all) == 0 {
		p.notice("no org is connected: imago connect https://YOUR-ORG.okta.com")
	}
	return all, err
}

func (a *api) standing(ctx context.Context, c *imagov1.Connection) (standing, error) {
	s := standing{conn: c}
	err := a.eachSnapshot(ctx, c.GetId(), false, func(snap *imagov1.Snapshot) bool {
		if s.newest == nil {
			s.newest = snap
		}
		if opens(snap) {
			s.last = snap
		}
		return s.last == nil
	})
	return s, err
}

func (s standing) gaps() int { return len(allGaps(s.last)) }

// needsSomebody reports whether a person should look.
func (s standing) needsSomebody() bool {
	return s.conn.GetState() != "ready" || s.conn.GetFollowProblem() != nil || s.last == nil ||
		s.newest.GetState() == "failed" || s.conn.GetRepositoryCheck().GetDamaged() > 0 || s.conn.GetOpenFindings() > 0 || s.gaps() > 0
}

// statusLine is a standing for programs.
type statusLine struct {
	Type         string `json:"type"` // "status"
	Connection   string `json:"connection"`
	ID           string `json:"id"`
	OrgURL       string `json:"org_url"`
	State        string `json:"state"`
	LastSnapshot string `json:"last_snapshot,omitempty"`
	LastTaken    string `json:"last_taken,omitempty"`
	AgeSeconds   int64  `json:"age_seconds"` // -1: there is none
	NextRun      string `json:"next_run,omitempty"`
	LagSeconds   int64  `json:"follow_lag_seconds"` // -1: never read
	Findings     int64  `json:"open_findings"`
	Gaps         int    `json:"gaps"`
	Attention    bool   `json:"attention"`
	Checked      string `json:"checked,omitempty"`     // when its backups were looked at
	Damaged      int32  `json:"damaged"`               // objects of them
	Problem      string `json:"problem,omitempty"`     // of the connection
	LogProblem   string `json:"log_problem,omitempty"` // of reading the org's log
}

func (p *program) showStanding(s standing) error {
	if p.json {
		return p.emitValue(p.line(s))
	}
	c := s.conn
	p.print("%s  %s  %s\n", p.paint(bold, clean(c.GetName())), clean(c.GetOrgUrl()), p.state(c.GetState()))
	say := func(what, how string) { p.print("  %-14s %s\n", what, clean(how)) }
	p.showProblem("problem", c.GetProblem())
	say("last snapshot", p.lastSnapshot(s.last))
	if s.newest != nil && s.newest != s.last {
		say("newest", strings.TrimSuffix(short(s.newest.GetId())+", "+s.newest.GetState()+", "+p.waits(s.newest), ", "))
	}
	say("next snapshot", nextRun(c.GetSchedule()))
	say("log read", p.ago(c.GetFollowedAt()))
	p.showProblem("log problem", c.GetFollowProblem())
	p.showCheck(c.GetRepositoryCheck())
	say("open findings", fmt.Sprint(c.GetOpenFindings()))
	say("gaps", fmt.Sprint(s.gaps()))
	return nil
}

// showCheck says how the backups were found by the last look at them.
func (p *program) showCheck(c *imagov1.RepositoryCheck) {
	if c == nil {
		p.print("  %-14s %s\n", "backups", "not checked yet")
		return
	}
	looked := fmt.Sprintf("checked %s: %s, %s, ", p.ago(c.GetCheckedAt()), count(c.GetSnapshots(), "snapshot"), count(c.GetSegments(), "segment"))
	if c.GetDamaged() == 0 {
		p.print("  %-14s %sno damage\n", "backups", looked)
		return
	}
	p.print("  %-14s %s%s\n", "backups", looked, p.paint(red, fmt.Sprintf("%s damaged or missing, which concerns %s",
		count(int64(c.GetDamaged()), "object"), count(int64(c.GetSnapshotsConcerned()), "snapshot"))))
	p.print("  %-14s %s\n", "", "tell who runs this installation: the bucket's own versions, or a copy, may have it")
}

func (p *program) lastSnapshot(s *imagov1.Snapshot) string {
	if s == nil {
		return "none yet"
	}
	return fmt.Sprintf("%s, %s, %s", short(s.GetId()), p.ago(s.GetCreatedAt()), count(s.GetObjects(), "object"))
}

func nextRun(s *imagov1.Schedule) string {
	if !s.GetEnabled() {
		return "not by itself"
	}
	return stamp(s.GetNextRunAt())
}

func (p *program) line(s standing) statusLine {
	c := s.conn
	l := statusLine{
		Type: "status", Connection: c.GetName(), ID: c.GetId(), OrgURL: c.GetOrgUrl(), State: c.GetState(),
		AgeSeconds: p.seconds(s.last.GetCreatedAt()), LagSeconds: p.seconds(c.GetFollowedAt()),
		Findings: c.GetOpenFindings(), Gaps: s.gaps(), Attention: s.needsSomebody(),
		Checked: moment(c.GetRepositoryCheck().GetCheckedAt()), Damaged: c.GetRepositoryCheck().GetDamaged(),
		LastSnapshot: s.last.GetId(), LastTaken: moment(s.last.GetCreatedAt()),
		Problem: problemError(c.GetProblem(), "").Error(), LogProblem: problemError(c.GetFollowProblem(), "").Error(),
	}
	if c.GetSchedule().GetEnabled() {
		l.NextRun = moment(c.GetSchedule().GetNextRunAt())
	}
	return l
}

// seconds is how long ago a moment was; -1 if it never was.
func (p *program) seconds(t *timestamppb.Timestamp) int64 {
	if t == nil {
		return -1
	}
	return int64(p.Now().Sub(t.AsTime()).Seconds())
}

// moment is RFC 3339; "" for none.
func moment(t *timestamppb.Timestamp) string {
	if t == nil {
		return ""
	}
	return t.AsTime().UTC().Format("2006-01-02T15:04:05Z")
}
