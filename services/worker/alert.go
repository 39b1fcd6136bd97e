package worker

import (
	"encoding/json"
	"slices"

	"imago/pkg/drift"
	"imago/pkg/notify"
	"imago/pkg/postgres/findings"
	"imago/pkg/postgres/sealed"
	"imago/pkg/resource"
)

// alert is the mail about the findings of one look, the worst first. A finding that is
// no more than what a deletion led to stands below that deletion's, in one line.
func (l *letter) alert(place notify.Place) (notify.Mail, error) {
	all, err := l.told()
	if err != nil {
		return nil, err
	}
	leading, followed := fold(all)
	out := notify.DriftAlert{Place: place}
	for _, t := range leading {
		text := findingText(t.Finding, t.row, l.title(t.Change.Key.Type))
		text.Followed, text.MoreFollowed = followedText(followed[t.Change.Key])
		delete(followed, t.Change.Key) // they stand below the first of two findings about one change
		for _, c := range l.unsaid(t.Consequences, all) {
			text.Related = append(text.Related, notify.Text(c))
		}
		out.Findings = append(out.Findings, text)
	}
	slices.SortStableFunc(out.Findings, func(a, b notify.Finding) int { return notify.BySeverity(a.Worst(), b.Worst()) })
	for _, f := range out.Findings[min(mostFindings, len(out.Findings)):] {
		out.More += 1 + len(f.Followed) + f.MoreFollowed
	}
	out.Findings = out.Findings[:min(mostFindings, len(out.Findings))]
	return out, nil
}

// told is a finding, opened.
type told struct {
	drift.Finding
	row findings.Finding
}

// told opens the findings, the worst first.
func (l *letter) told() ([]told, error) {
	var out []told
	for _, row := range l.findings {
		t := told{row: row}
		if err := sealed.Finding(row.ConnectionID, row.DedupKey).Open(l.ring, row.Sealed, &t.Finding); err != nil {
			return nil, err
		}
		out = append(out, t)
	}
	slices.SortStableFunc(out, func(a, b told) int { return notify.BySeverity(a.row.Severity, b.row.Severity) })
	return out, nil
}

// fold parts findings that stand by themselves from those that followed from one of
// them, by its key.
func fold(all []told) (leading []told, followed map[resource.Key][]told) {
	itself := map[resource.Key]bool{}
	for _, t := range all {
		itself[t.Change.Key] = itself[t.Change.Key] || t.Attribution.Through == nil
	}
	followed = map[resource.Key][]told{}
	for _, t := range all {
		if cause := t.Attribution.Through; cause != nil && itself[*cause] {
			followed[*cause] = append(followed[*cause], t)
		} else {
			leading = append(leading, t)
		}
	}
	return leading, followed
}

// followedText are findings in a line each, and how many more there are.
func followedText(all []told) (out []notify.Followed, more int) {
	for _, t := range all[:min(mostFollowed, len(all))] {
		out = append(out, notify.Followed{Severity: t.row.Severity, Sentence: notify.Text(firstOf(t.What, t.Sentence))})
	}
	return out, len(all) - len(out)
}

// unsaid drops the consequences that are findings of the same mail.
func (l *letter) unsaid(consequences []string, all []told) []string {
	catalog := l.catalogs(l.connection.Provider)
	said := map[string]bool{}
	for _, t := range all {
		said[drift.Consequence(catalog, t.Observation)] = true
	}
	return slices.DeleteFunc(slices.Clone(consequences), func(c string) bool { return said[c] })
}

// title is what people call a type.
func (l *letter) title(t resource.Type) string {
	if info, ok := l.catalogs(l.connection.Provider).Info(t); ok {
		return info.Title
	}
	return string(t)
}

// findingText is a finding in the mail's words.
func findingText(f drift.Finding, row findings.Finding, title string) notify.Finding {
	out := notify.Finding{
		ID: row.ID, Severity: row.Severity, Title: notify.Text(f.Title + ": " + f.Label), Sentence: notify.Text(f.Sentence),
		Type: notify.Text(title), Object: notify.Text(f.Label), Key: f.Change.Key.String(),
		When: row.EventTime, Snapshot: f.Snapshot,
	}
	if e := f.Attribution.Event; e != nil {
		out.Certain, out.Who, out.WhoType = true, notify.Text(firstOf(e.Actor.Login, e.Actor.Name, e.Actor.ID)), notify.Text(e.Actor.Type)
		out.When, out.IP, out.Agent, out.Where = e.Time, notify.Text(e.Client.IP), notify.Text(e.Client.UserAgent), notify.Text(e.Client.Place)
		out.Event = e.Name
	} else if c := f.Attribution.Candidates; len(c) > 0 {
		out.Who = notify.Text(firstOf(c[0].Actor.Login, c[0].Actor.Name, c[0].Actor.ID))
	}
	if f.ParentLabel != "" {
		out.Object = notify.Text(f.Label + " in " + f.ParentLabel)
	}
	out.Hidden = max(0, len(f.Change.Fields)-mostFields)
	for _, d := range f.Change.Fields[:len(f.Change.Fields)-out.Hidden] {
		out.Fields = append(out.Fields, notify.Field{Path: notify.Text(d.Path), Before: value(d.Before), After: value(d.After)})
	}
	return out
}

// value shows a JSON value; texts without their quotes.
func value(raw json.RawMessage) notify.Text {
	var s string
	if err := json.Unmarshal(raw, &s); err == nil {
		return notify.Text(s)
	}
	return notify.Text(raw)
}
