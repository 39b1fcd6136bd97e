package backup

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"imago/pkg/resource"
	"imago/pkg/snapshot"
)

// stateVersion is raised when an older program could not go on from a state.
const stateVersion = 2

// state is all that a snapshot needs to go on.
type state struct {
	Version   int             `json:"version"`
	Draft     json.RawMessage `json:"draft,omitempty"`
	OrgID     string          `json:"org_id"`
	Engine    string          `json:"engine"`
	LogCursor string          `json:"log_cursor"`
	Ended     time.Time       `json:"ended,omitzero"` // when reading was over; a second Commit says the same
	Failures  int             `json:"failures,omitempty"`
	Types     []*typeState    `json:"types"`
	Next      int             `json:"next,omitempty"` // of a Point: how many keys are read
}

// typeState is how far one type is read.
type typeState struct {
	Type    resource.Type  `json:"type"`
	Objects int64          `json:"objects,omitempty"`
	Calls   int64          `json:"calls,omitempty"`
	Bytes   int64          `json:"bytes,omitempty"`
	Lists   int            `json:"lists,omitempty"` // below how many parents it was listed
	Gaps    []snapshot.Gap `json:"gaps,omitempty"`
	Done    bool           `json:"done,omitempty"`

	// Parent is the last one that was listed to its end, Any whether there is one.
	Parent string `json:"parent,omitempty"`
	Any    bool   `json:"any,omitempty"`
	// Cursor goes on in the list below the next parent.
	Cursor string `json:"cursor,omitempty"`
}

// read restores a state; a type that it does not know is at its start. What an older
// program began and this one cannot go on from is begun again: no snapshot is lost by
// an upgrade, only some reading.
func read(raw []byte, catalog resource.Catalog) (*state, error) {
	s := &state{Version: stateVersion}
	if raw != nil {
		if err := json.Unmarshal(raw, s); err != nil {
			return nil, fmt.Errorf("read the snapshot's checkpoint: %w", err)
		}
	}
	if s.Version < stateVersion {
		s = &state{Version: stateVersion}
	}
	if s.Version != stateVersion {
		return nil, fmt.Errorf("the snapshot's checkpoint has version %d, this program knows %d", s.Version, stateVersion)
	}
	for _, info := range catalog {
		if s.of(info.Type) == nil {
			s.Types = append(s.Types, &typeState{Type: info.Type})
		}
	}
	return s, nil
}

func (s *state) of(t resource.Type) *typeState {
	i := slices.IndexFunc(s.Types, func(x *typeState) bool { return x.Type == t })
	if i < 0 {
		return nil
	}
	return s.Types[i]
}

// progress is what people may see of the state.
func (s *state) progress() Progress {
	p := Progress{Types: make([]TypeProgress, 0, len(s.Types))}
	for _, t := range s.Types {
		p.Types = append(p.Types, TypeProgress{t.Type, t.Objects, t.Calls, t.Bytes, t.Done, shown(t.Gaps)})
	}
	return p
}

// shown are gaps without the parents' IDs, each sentence once.
func shown(gaps []snapshot.Gap) (out []snapshot.Gap) {
	for _, g := range gaps {
		g.Parent = ""
		if !slices.Contains(out, g) {
			out = append(out, g)
		}
	}
	return out
}

// miss notes a gap, once.
func (t *typeState) miss(g snapshot.Gap) {
	if !slices.Contains(t.Gaps, g) {
		t.Gaps = append(t.Gaps, g)
	}
}

// whole finds the gap that covers all of the type; nil when there is none.
func (t *typeState) whole() *snapshot.Gap {
	if i := slices.IndexFunc(t.Gaps, func(g snapshot.Gap) bool { return g.Parent == "" }); i >= 0 {
		return &t.Gaps[i]
	}
	return nil
}

// refusals are how many parents' lists have to be refused, and none answered, until
// the type is suspect: a role that may not read something is told so at every parent,
// and asking each of ten thousand would cost calls and tell nothing more.
const refusals = 3

// suspect reports whether the lists of the first parents were all refused, for the same
// reason.
func (t *typeState) suspect() bool {
	if t.Lists != refusals || len(t.Gaps) != refusals {
		return false
	}
	return !slices.ContainsFunc(t.Gaps, func(g snapshot.Gap) bool {
		return g.Parent == "" || g.Reason != t.Gaps[0].Reason || g.Reason != snapshot.Forbidden && g.Reason != snapshot.NotLicensed
	})
}

// generalise makes the gaps of the first parents one gap of the whole type. That says
// less than may be known, never more: what a gap covers is unknown.
func (t *typeState) generalise() {
	t.Gaps = t.Gaps[:1]
	t.Gaps[0].Parent = ""
}

// finish ends the type.
func (t *typeState) finish() {
	t.Done = true
	t.Parent, t.Any, t.Cursor = "", false, ""
}

// next steps behind a parent's list.
func (t *typeState) next(parent string) {
	t.Parent, t.Any, t.Cursor = parent, true, ""
	t.Lists++
}

func (t *typeState) status() snapshot.TypeStatus {
	return snapshot.TypeStatus{Type: t.Type, Held: snapshot.Held{Objects: t.Objects}, Calls: t.Calls, Gaps: t.Gaps}
}
