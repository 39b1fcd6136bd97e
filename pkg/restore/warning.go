package restore

import (
	"fmt"
	"slices"
	"strings"

	"imago/pkg/provider"
	"imago/pkg/resource"
	"imago/pkg/snapshot"
)

// labels are a member's name and its parent's.
func (p *planner) labels(m member) (label, parent string, err error) {
	if label, err = p.labelOf(m.info, m.Resource); err != nil {
		return "", "", err
	}
	if m.Parent == "" {
		return label, "", nil
	}
	up, _ := p.Catalog.Info(m.info.Parent)
	return label, p.shown(up, parentKey(m.info.Parent, m.Parent)), nil
}

// labelOf names a resource; a link is named after what it links.
func (p *planner) labelOf(info resource.Info, r resource.Resource) (string, error) {
	label, err := resource.Label(info, r.Body)
	if err != nil || label != "" || info.Shape != resource.LinkSet {
		return label, err
	}
	for _, ref := range info.Refs {
		if ref.In == resource.InID {
			linked, _ := p.Catalog.Info(ref.To[0])
			return p.shown(linked, resource.Key{Type: ref.To[0], ID: r.ID}), nil
		}
	}
	return r.ID, nil
}

// shown names something by what is at hand of it: the org's, or the snapshot's.
func (p *planner) shown(info resource.Info, k resource.Key) string {
	body := p.past[k]
	if now := p.live.got[k]; now != nil {
		body = now.Body
	} else if i := slices.IndexFunc(p.c.members, func(m member) bool { return m.Key == k }); i >= 0 {
		body = p.c.members[i].Body
	}
	if body != nil {
		if label, err := resource.Label(info, body); err == nil && label != "" {
			return label
		}
	}
	return k.ID
}

// warnings are what a person should know of a step before approving it.
func (p *planner) warnings(d draft, m member) (out []string, err error) {
	if d.Op == provider.Create && m.role == referrer && d.behind == (name{}) {
		out = append(out, "it was deleted, too: exclude it if that was meant")
	}
	if m.info.Cautions != nil && d.Want != nil {
		out = append(out, m.info.Cautions(d.Expect, d.Want, p.parentBody(m))...)
	}
	dead, err := p.stillNamed(m.info, d.Want)
	for _, id := range dead {
		out = append(out, fmt.Sprintf("a field that Imago does not know still names %s, which does not exist any more", id))
	}
	return out, err
}

// parentBody is the live parent's, or as it will be made; nil when neither is known.
func (p *planner) parentBody(m member) []byte {
	above := parentKey(m.info.Parent, m.Parent)
	if now := p.live.got[p.target(p.info(m.info.Parent), above)]; now != nil {
		return now.Body
	}
	return p.members[nameOf(above)].Body
}

func (p *planner) info(t resource.Type) resource.Info {
	info, _ := p.Catalog.Info(t)
	return info
}

// stillNamed lists IDs that are other ones today and stand in a body nevertheless.
func (p *planner) stillNamed(info resource.Info, want []byte) (out []string, err error) {
	if want == nil || info.Shape == resource.LinkSet {
		return nil, nil
	}
	body, err := resource.Without(want, writable(info).Volatile...)
	if err != nil {
		return nil, err
	}
	text := placeholders.ReplaceAllString(string(body), "")
	for n := range p.now {
		if strings.Contains(text, n.ID) {
			out = append(out, n.ID)
		}
	}
	slices.Sort(out)
	return out, nil
}

// unknown warns of what the snapshot lacks of the things that are restored.
func (p *planner) unknown() (out []string) {
	for _, g := range p.Snapshot.Manifest().Gaps() {
		info, ok := p.Catalog.Info(g.Type)
		concerns := slices.ContainsFunc(p.c.members, func(m member) bool {
			hangs := slices.ContainsFunc(info.Refs, func(r resource.Ref) bool { return slices.Contains(r.To, m.Type) })
			return hangs && (g.Parent == "" || g.Parent == nameOf(m.Key).ID)
		})
		if ok && concerns && g.Reason != snapshot.NotLicensed { // what the org cannot have is not lost
			out = append(out, fmt.Sprintf("the snapshot does not know every %s, so some may stay lost: %s", strings.ToLower(info.Title), g.Detail))
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// lost tells what cannot come back of what is made again.
func (p *planner) lost() (out []string) {
	for _, s := range p.plan.Steps {
		info, _ := p.Catalog.Info(s.Key.Type)
		if s.Op != provider.Create || info.Shape != resource.Collection {
			continue
		}
		out = append(out, fmt.Sprintf("%s “%s” gets a new ID in the place of %s", strings.ToLower(s.Title), s.Label, s.Key.ID))
		limited := info.Limited == nil || info.Limited(p.members[nameOf(s.Key)].Resource)
		if info.Restorable != "full" && info.Limitation != "" && limited {
			out = append(out, fmt.Sprintf("%s: %s", strings.ToLower(s.Title), info.Limitation))
		}
	}
	if len(out) > 0 {
		out = append(out, "the times at which things were made are new")
	}
	seen := map[string]bool{}
	return slices.DeleteFunc(out, func(s string) bool { was := seen[s]; seen[s] = true; return was })
}
