// Package export writes what a snapshot holds, decrypted, for programs that know nothing of
// Imago: an object a line, with what the snapshot lacks.
package export

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"iter"
	"slices"
	"time"

	"imago/pkg/repository"
	"imago/pkg/resource"
	"imago/pkg/snapshot"
)

// Export writes the objects of a snapshot, whole types at a time. Each segment is verified
// whole before anything of it is written.
type Export struct {
	Snapshot *repository.Snapshot
	Catalog  resource.Catalog // names types and objects
	Types    []string         // only these; nil: all
	// Discreet leaves out what nobody may see, and types that the catalog does not know.
	Discreet bool
}

// Facts are what an export tells of the snapshot.
type Facts struct {
	Type       string        `json:"type"` // "snapshot"
	Format     int           `json:"format"`
	ID         string        `json:"id"`
	Account    string        `json:"account"`
	Connection string        `json:"connection"`
	Provider   string        `json:"provider"`
	Org        string        `json:"org"`
	OrgID      string        `json:"org_id"`
	Engine     string        `json:"engine"`
	Kind       snapshot.Kind `json:"kind"`
	Started    time.Time     `json:"started"`
	Ended      time.Time     `json:"ended"`
}

// exportFormat is the version of both forms of an export.
const exportFormat = 1

// Facts tells of the snapshot.
func (e Export) Facts() Facts {
	m := e.Snapshot.Manifest()
	return Facts{"snapshot", exportFormat, m.ID, m.Account, m.Connection, m.Provider, m.Org, m.OrgID, m.Engine, m.Kind, m.Started.UTC(), m.Ended.UTC()}
}

// States are those of the types that are exported, in the order of the manifest.
func (e Export) States() []snapshot.TypeStatus {
	return slices.DeleteFunc(slices.Clone(e.Snapshot.Manifest().Types), func(t snapshot.TypeStatus) bool {
		_, known := e.Catalog.Info(t.Type)
		return e.Discreet && !known || len(e.Types) > 0 && !slices.Contains(e.Types, string(t.Type))
	})
}

// Object is one with what the catalog calls it.
type Object struct {
	resource.Resource
	Label, Natural string
}

// Objects yields all of them, a type after the other.
func (e Export) Objects(ctx context.Context) iter.Seq2[Object, error] {
	return func(yield func(Object, error) bool) {
		for _, t := range e.States() {
			info, known := e.Catalog.Info(t.Type)
			for r, err := range e.Snapshot.Walk(ctx, t.Type) {
				o := Object{Resource: r}
				if err == nil && known {
					o.Label, o.Natural = named(info, r)
				}
				if err == nil && e.Discreet {
					o.Body, err = resource.Without(r.Body, info.Secret...)
				}
				if !yield(o, err) || err != nil {
					return
				}
			}
		}
	}
}

// named gives an object's name and natural key, as far as it has them.
func named(info resource.Info, r resource.Resource) (label, natural string) {
	label, err := resource.Label(info, r.Body)
	if err != nil {
		label = ""
	}
	if natural, err = resource.NaturalKey(info, r.Body); err != nil {
		natural = ""
	}
	return label, natural
}

// gapLine and endLine are lines of JSON Lines.
type gapLine struct {
	Type     string          `json:"type"` // "gap"
	Resource resource.Type   `json:"resource_type"`
	Parent   string          `json:"parent,omitempty"`
	Reason   snapshot.Reason `json:"reason"`
	Detail   string          `json:"detail"`
}

type endLine struct {
	Type    string `json:"type"` // "end": without it, the file was cut off
	Objects int64  `json:"objects"`
}

// JSONLines writes an object a line, after a line that tells of the snapshot and one for
// each gap, and before a last line that counts. It gives how many objects there are.
func (e Export) JSONLines(ctx context.Context, to io.Writer) (n int64, err error) {
	w := bufio.NewWriterSize(to, 64<<10)
	out := json.NewEncoder(w)
	out.SetEscapeHTML(false)
	if err := out.Encode(e.Facts()); err != nil {
		return 0, err
	}
	for _, t := range e.States() {
		for _, g := range t.Gaps {
			if err := out.Encode(gapLine{"gap", g.Type, g.Parent, g.Reason, g.Detail}); err != nil {
				return 0, err
			}
		}
	}
	var line []byte
	for o, err := range e.Objects(ctx) {
		if err != nil {
			return n, err
		}
		line = o.appendLine(line[:0])
		if _, err := w.Write(line); err != nil {
			return n, err
		}
		n++
	}
	if err := out.Encode(endLine{"end", n}); err != nil {
		return n, err
	}
	return n, w.Flush()
}

// appendLine leaves the body as the org sent it: numbers of any size, whatever the order.
func (o Object) appendLine(dst []byte) []byte {
	for _, f := range []struct{ name, value string }{
		{`{"type":"object","resource_type":`, string(o.Type)}, {`,"parent":`, o.Parent}, {`,"id":`, o.ID}, {`,"label":`, o.Label},
	} {
		dst = append(append(dst, f.name...), resource.Quote(f.value)...)
	}
	dst = append(append(dst, `,"value":`...), o.Body...)
	return append(dst, '}', '\n')
}
