package api

import (
	"context"
	"slices"
	"strings"
	"time"

	"connectrpc.com/connect"
	"github.com/google/uuid"
	"google.golang.org/protobuf/types/known/timestamppb"

	"imago/pkg/account"
	"imago/pkg/drift"
	"imago/pkg/envelope"
	"imago/pkg/postgres/findings"
	"imago/pkg/postgres/sealed"
	"imago/pkg/postgres/signin"
	"imago/pkg/problem"
	imagov1 "imago/proto/imago/v1"
	"imago/services/api/internal/valid"
)

// longestSnooze bounds how long a finding may be out of sight.
const longestSnooze = 366 * 24 * time.Hour

// sayings are the actions of the activity log, by the state that they lead to.
var sayings = map[string]string{
	findings.Open: "reopen_finding", findings.Acknowledged: "acknowledge_finding", findings.Accepted: "accept_finding",
	findings.Snoozed: "snooze_finding", findings.Resolved: "resolve_finding",
}

func (s driftService) ResolveFinding(ctx context.Context, r *connect.Request[imagov1.ResolveFindingRequest]) (*connect.Response[imagov1.ResolveFindingResponse], error) {
	said, err := s.said(&imagov1.SetFindingStateRequest{FindingId: r.Msg.GetFindingId(), State: findings.Resolved, Reason: r.Msg.GetReason()})
	if err != nil {
		return nil, err
	}
	return change(ctx, s.Service, r, func(w *work) (*imagov1.ResolveFindingResponse, error) {
		f, err := s.say(ctx, w, said)
		return &imagov1.ResolveFindingResponse{Finding: f}, err
	})
}

func (s driftService) SetFindingState(ctx context.Context, r *connect.Request[imagov1.SetFindingStateRequest]) (*connect.Response[imagov1.SetFindingStateResponse], error) {
	said, err := s.said(r.Msg)
	if err != nil {
		return nil, err
	}
	return change(ctx, s.Service, r, func(w *work) (*imagov1.SetFindingStateResponse, error) {
		f, err := s.say(ctx, w, said)
		return &imagov1.SetFindingStateResponse{Finding: f}, err
	})
}

// saying is what a person says of a finding.
type saying struct {
	id, state, reason string
	until             *time.Time
}

// again reports whether saying it once more tells nothing new.
func (s saying) again(row findings.Finding) bool {
	return row.State == s.state && s.state != findings.Accepted && s.state != findings.Snoozed
}

// said checks what a person says of a finding.
func (s driftService) said(m *imagov1.SetFindingStateRequest) (out saying, err error) {
	if out.id, err = valid.ID("finding_id", m.GetFindingId()); err != nil {
		return out, err
	}
	if out.state, err = valid.OneOf("state", m.GetState(), findings.States()); err != nil {
		return out, err
	}
	needed := out.state == findings.Accepted || out.state == findings.Snoozed
	if out.reason = m.GetReason(); out.reason != "" || needed {
		if out.reason, err = valid.Text("reason", out.reason, 500); err != nil {
			return out, err
		}
	}
	out.until, err = s.snooze(out.state, m.GetUntil())
	return out, err
}

// snooze checks until when a finding is out of sight, to the second.
func (s driftService) snooze(state string, until *timestamppb.Timestamp) (*time.Time, error) {
	switch {
	case state != findings.Snoozed && until != nil:
		return nil, problem.InField("until", "only a snooze has an end").WithHint("leave it out, or snooze the finding")
	case state != findings.Snoozed:
		return nil, nil
	case until == nil:
		return nil, problem.InField("until", "it is missing").WithHint("say when the finding is to open again")
	case until.CheckValid() != nil:
		return nil, problem.InField("until", "it is not a time").WithHint("write it as 2026-11-03T12:00:00Z")
	}
	at := until.AsTime().Truncate(time.Second)
	if now := s.now(); !at.After(now) || at.After(now.Add(longestSnooze)) {
		return nil, problem.InField("until", "%s is not within the next year", at.Format(time.RFC3339)).
			WithHint("choose a moment after now; to be rid of a finding for good, accept it")
	}
	return &at, nil
}

// say sets the state and keeps the word, sealed.
func (s driftService) say(ctx context.Context, w *work, said saying) (*imagov1.Finding, error) {
	row, err := findings.Get(ctx, w.Tx, said.id)
	if err != nil {
		return nil, in("finding_id", findingsHint, err)
	}
	changed := !said.again(row)
	if changed {
		if err := keepWord(ctx, w, said); err != nil {
			return nil, err
		}
		if row, err = findings.Get(ctx, w.Tx, said.id); err != nil {
			return nil, err
		}
	}
	words, err := findings.History(ctx, w.Tx, said.id)
	if err != nil {
		return nil, err
	}
	out, err := s.told(ctx, w.ring, row, words)
	if err != nil || !changed {
		return out, err
	}
	return out, w.record(ctx, sayings[said.state], "finding", said.id, said.reason)
}

func keepWord(ctx context.Context, w *work, said saying) error {
	who, err := signin.Current(ctx, w.Tx)
	if err != nil {
		return err
	}
	id, err := uuid.NewV7()
	if err != nil {
		return err
	}
	word := findings.Word{ID: id.String(), State: said.state, Until: said.until}
	word.Sealed, err = sealed.Word(said.id, word.ID).Seal(w.ring, findings.Said{Actor: who.Email, Reason: said.reason})
	if err != nil {
		return err
	}
	return findings.Say(ctx, w.Tx, said.id, word)
}

func wordShape(ring *envelope.Keyring, findingID string, w findings.Word) (*imagov1.FindingState, error) {
	out := &imagov1.FindingState{State: w.State, ChangedAt: stamp(w.ChangedAt), Until: stampAt(w.Until)}
	if w.RestoreID != nil {
		out.RestoreId = *w.RestoreID
	}
	var said findings.Said
	err := sealed.Word(findingID, w.ID).Open(ring, w.Sealed, &said)
	out.ChangedBy, out.Reason = said.Actor, said.Reason
	return out, err
}

// wanted checks which findings are asked for. Who did something is directory data: who
// may not see that may not look for it either.
func (s driftService) wanted(ctx context.Context, ring *envelope.Keyring, m *imagov1.ListFindingsRequest) (f findings.Filter, err error) {
	id, err := valid.ID("connection_id", m.GetConnectionId())
	if err != nil {
		return f, err
	}
	f = findings.Filter{Connection: account.ConnectionID(id), Types: m.GetTypes()}
	if f.States, err = eachOf("states", m.GetStates(), findings.States()); err != nil {
		return f, err
	}
	if f.Severities, err = eachOf("severities", m.GetSeverities(), severities()); err != nil {
		return f, err
	}
	for _, t := range f.Types {
		if _, err := valid.Type("types", t, s.Provider.Catalog()); err != nil {
			return f, err
		}
	}
	f.Since, f.Until = timeOf(m.GetSince()), timeOf(m.GetUntil())
	f.Actor, err = actorWanted(ctx, ring, f.Connection, m.GetActor())
	return f, err
}

// timeOf reads a time that may be absent.
func timeOf(t *timestamppb.Timestamp) *time.Time {
	if t == nil {
		return nil
	}
	at := t.AsTime()
	return &at
}

func actorWanted(ctx context.Context, ring *envelope.Keyring, id account.ConnectionID, actor string) (string, error) {
	if actor == "" {
		return "", nil
	}
	if c := requestOf(ctx).caller; !c.may(account.OpenSnapshot) {
		return "", problem.New(problem.Denied, "your role (%s) does not show who did what, so it cannot be looked for", c.role).
			WithHint("leave actor out, or ask an owner or an admin of the account")
	}
	actor, err := valid.Text("actor", actor, 300)
	return sealed.Actor(ring, id, actor), err
}

// severities are drift's, most severe first.
func severities() []string {
	return []string{string(drift.Critical), string(drift.High), string(drift.Medium), string(drift.Low)}
}

// eachOf checks every value of a list, each once.
func eachOf(field string, values, known []string) ([]string, error) {
	for _, v := range values {
		if _, err := valid.OneOf(field, v, known); err != nil {
			return nil, err
		}
	}
	out := slices.Clone(values)
	slices.SortFunc(out, strings.Compare)
	return slices.Compact(out), nil
}
