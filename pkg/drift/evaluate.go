package drift

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"

	"imago/pkg/diff"
	"imago/pkg/provider"
	"imago/pkg/resource"
)

// Facts are what findings say besides the observations.
type Facts struct {
	Catalog  resource.Catalog
	Snapshot string // ID of the snapshot that was compared with
	Found    time.Time
}

// Evaluate judges the observations of one look, in their order. Our own writes
// (Expected) are no findings.
func (r *Rules) Evaluate(f Facts, observed []Observation) ([]Finding, error) {
	var out []Finding
	for i, o := range observed {
		if o.Attribution.Expected {
			continue
		}
		rules, err := r.matching(o)
		if err != nil {
			return nil, err
		}
		for _, rule := range rules {
			what := what(f.Catalog, rule, o)
			out = append(out, Finding{
				Rule: rule.Name, Severity: rule.Severity, Title: rule.Title, What: what,
				Sentence:    what + who(o.Attribution) + wake(o.Affected, o.Uncounted),
				Observation: o, Consequences: consequences(f.Catalog, observed, i), Snapshot: cmp.Or(o.snapshot, f.Snapshot), Found: f.Found,
			})
		}
	}
	return out, nil
}

func (r *Rules) matching(o Observation) (out []Rule, err error) {
	var vars map[string]any
	for _, c := range r.rules {
		if !c.about(o.Change.Key.Type) || c.ParentHas != o.ParentHas {
			continue
		}
		if vars == nil {
			if vars, err = variables(o); err != nil {
				return nil, err
			}
		}
		v, _, err := c.program.Eval(vars)
		if err != nil {
			return nil, fmt.Errorf("rule %s: %w", c.Name, err)
		}
		if v.Value() == true {
			out = append(out, c.Rule)
		}
	}
	return out, nil
}

// DedupKey is the same for the same finding, however often it is come upon: one
// event, or one change that no event explains, gives one finding a rule. It says
// nothing of the change; still it is made of directory data, so keep a keyed digest
// of it.
func (f Finding) DedupKey() string {
	h := sha256.New()
	put := func(s string) { fmt.Fprintf(h, "%d:%s,", len(s), s) }
	put(f.Rule)
	put(f.Change.Key.String())
	put(string(f.Change.Op))
	switch a := f.Attribution; {
	case a.Event != nil:
		put(a.Event.ID)
	case len(a.Candidates) > 0:
		for _, e := range a.Candidates {
			put(e.ID)
		}
	default:
		put(string(f.Change.Before))
		put(string(f.Change.After))
	}
	return hex.EncodeToString(h.Sum(nil))
}

// what is the rule's sentence.
func what(catalog resource.Catalog, rule Rule, o Observation) string {
	info, _ := catalog.Info(o.Change.Key.Type)
	s := strings.NewReplacer("{label}", o.Label, "{parent}", o.ParentLabel, "{type}", strings.ToLower(info.Title)).Replace(rule.Sentence) + "."
	switch {
	case o.LogOnly && o.Fleeting:
		s += " It is gone again: the log alone tells of it."
	case o.LogOnly && o.ParentHas == "":
		s += " It is known from the log alone: there is nothing to compare it with."
	}
	return s
}

// who says by whom, from where, and no more than the log proves.
func who(a Attribution) string {
	switch {
	case a.Through != nil:
		return " It named what " + actor(*a.Event, "deleted") + "."
	case a.Event != nil:
		return " " + actor(*a.Event, "did it") + "."
	case len(a.Candidates) > 0:
		var names []string
		for _, e := range a.Candidates {
			if n := called(e.Actor); !slices.Contains(names, n) {
				names = append(names, n)
			}
		}
		return " The log names more than one who changed it: " + strings.Join(names, ", ") + "."
	}
	return " The log does not say who did it."
}

func actor(e provider.Event, did string) string {
	s := called(e.Actor)
	if e.Actor.System {
		s += " (the identity provider itself)"
	}
	s += " " + did
	if e.Client.IP != "" {
		s += ", from " + e.Client.IP
	}
	return s
}

func called(a provider.Actor) string {
	if a.Name != "" && a.Login != "" && a.Name != a.Login {
		return a.Name + " (" + a.Login + ")"
	}
	return cmp.Or(a.Login, a.Name, a.ID)
}

// wake tells what hung on what was deleted.
func wake(affected []Affected, uncounted bool) string {
	var gone, named []string
	for _, a := range affected {
		n := fmt.Sprintf("%d × %s", a.Count, strings.ToLower(a.Title))
		if a.Gone {
			gone = append(gone, n)
		} else {
			named = append(named, n)
		}
	}
	s := ""
	if len(gone) > 0 {
		s += " With it went " + strings.Join(gone, ", ") + "."
	}
	if len(named) > 0 {
		s += " It was named by " + strings.Join(named, ", ") + "."
	}
	if uncounted {
		s += " What else hung on it was not counted."
	}
	return s
}

// consequences are the other observations that the same doing led to.
func consequences(catalog resource.Catalog, observed []Observation, of int) (out []string) {
	cause := observed[of]
	for i, o := range observed {
		if i == of || !follows(o.Attribution, cause) {
			continue
		}
		out = append(out, Consequence(catalog, o))
	}
	return out
}

// Consequence is an observation as it stands among a finding's Consequences.
func Consequence(catalog resource.Catalog, o Observation) string {
	info, _ := catalog.Info(o.Change.Key.Type)
	return info.Title + " “" + o.Label + "” " + happened(o.Change)
}

// follows reports whether a change belongs to what led to another: it came through
// it, or in its transaction.
func follows(a Attribution, cause Observation) bool {
	if a.Through != nil {
		return *a.Through == cause.Change.Key
	}
	b := cause.Attribution
	return b.Through == nil && a.Event != nil && b.Event != nil && a.Event.Transaction != "" && a.Event.Transaction == b.Event.Transaction
}

// happened tells a change in a few words.
func happened(c diff.Change) string {
	switch c.Op {
	case diff.Create:
		return "was created"
	case diff.Delete:
		return "was deleted"
	}
	if len(c.Fields) == 0 {
		return "was changed and changed back"
	}
	const most = 3
	var words []string
	for _, f := range c.Fields[:min(most, len(c.Fields))] {
		switch f.Op {
		case diff.Create:
			words = append(words, fmt.Sprintf("%s gained %s", f.Path, short(f.After)))
		case diff.Delete:
			words = append(words, fmt.Sprintf("%s lost %s", f.Path, short(f.Before)))
		default:
			words = append(words, fmt.Sprintf("%s: %s → %s", f.Path, short(f.Before), short(f.After)))
		}
	}
	if more := len(c.Fields) - most; more > 0 {
		words = append(words, fmt.Sprintf("and %d more", more))
	}
	return "changed: " + strings.Join(words, "; ")
}

// short bounds a value in a sentence, without cutting a character.
func short(v []byte) string {
	const most = 80
	runes := []rune(string(v))
	if len(runes) <= most {
		return string(v)
	}
	return string(runes[:most]) + "…"
}
