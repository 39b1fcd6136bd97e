package repository

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"

	"imago/pkg/blob"
	"imago/pkg/problem"
	"imago/pkg/resource"
	"imago/pkg/snapshot"
)

// CheckOptions of Check.
type CheckOptions struct {
	Data     bool     // read and verify every segment, not only its presence and size
	Prefixes []string // only these snapshots; nil: all
}

// Report is what Check found. A report without damage is good.
type Report struct {
	Snapshots, Segments, Objects int64 // that were looked at; objects as the manifests count them
	Bytes                        int64 // sealed
	Rubbish                      int64 // objects that no manifest names: no damage, Sweep removes them
	Damage                       []Damage
}

// Damage is one object that is not as it should be.
type Damage struct {
	Object   string // key in the store
	Snapshot string // the prefix of the snapshot that it concerns
	What     string // for a person
}

// Check verifies the repository. An error means that it could not be looked at;
// what is wrong with it stands in the report.
func (r *Repository) Check(ctx context.Context, o CheckOptions) (Report, error) {
	var report Report
	for f, err := range r.chosen(ctx, o.Prefixes) {
		if err != nil {
			return report, fmt.Errorf("check: %w", err)
		}
		if err := (&checker{r, f, o.Data, &report}).run(ctx); err != nil {
			return report, fmt.Errorf("check %s: %w", f.prefix, err)
		}
	}
	return report, nil
}

// chosen yields the folders of these snapshots; nil: of all.
func (r *Repository) chosen(ctx context.Context, prefixes []string) iter.Seq2[folder, error] {
	if prefixes == nil {
		return r.folders(ctx, r.backups())
	}
	return func(yield func(folder, error) bool) {
		for _, prefix := range prefixes {
			f, err := r.folder(ctx, prefix)
			if err == nil && f.prefix != prefix {
				err = problem.New(problem.NotFound, "there is no snapshot at %s", prefix)
			}
			if !yield(f, err) || err != nil {
				return
			}
		}
	}
}

// checker looks at one snapshot.
type checker struct {
	r      *Repository
	folder folder
	data   bool
	report *Report
}

func (c *checker) damage(name, format string, args ...any) {
	c.report.Damage = append(c.report.Damage, Damage{
		Object: c.folder.prefix + "/" + name, Snapshot: c.folder.prefix, What: fmt.Sprintf(format, args...),
	})
}

// note puts an error about an object into the report; one about the store goes up.
func (c *checker) note(name string, err error) error {
	if !isUnreadable(err) {
		return err
	}
	p := problem.Of(err)
	c.damage(name, "%s", p.What)
	return nil
}

func (c *checker) run(ctx context.Context) error {
	if _, ok := c.folder.object(snapshot.ManifestName); !ok {
		c.report.Rubbish += int64(len(c.folder.objects))
		return nil
	}
	c.report.Snapshots++
	s, err := c.r.Open(ctx, c.folder.prefix)
	if err != nil {
		return c.note(snapshot.ManifestName, err)
	}
	c.count(s)
	if err := c.checksums(ctx, s); err != nil {
		return err
	}
	broken := len(c.report.Damage)
	for _, segment := range s.manifest.Segments {
		if err := c.segment(ctx, segment); err != nil {
			return err
		}
	}
	if c.data && len(c.report.Damage) == broken {
		return c.twice(ctx, s)
	}
	return nil
}

func (c *checker) count(s *Snapshot) {
	c.report.Segments += int64(len(s.manifest.Segments))
	c.report.Objects += s.manifest.Objects()
	c.report.Bytes += s.manifest.Bytes()
	c.report.Rubbish += int64(len(s.unnamed(c.folder)))
}

// checksums compares the object that stands in clear with the manifest.
func (c *checker) checksums(ctx context.Context, s *Snapshot) error {
	text, err := blob.ReadAll(ctx, c.r.store, c.folder.prefix+"/"+snapshot.ChecksumsName, maxManifest)
	switch {
	case errors.Is(err, blob.ErrNotFound):
		c.damage(snapshot.ChecksumsName, "it is not there")
	case err != nil && !errors.Is(err, blob.ErrLonger):
		return err
	case !bytes.Equal(text, snapshot.EncodeChecksums(s.checksums())): // none, when it is too long
		c.damage(snapshot.ChecksumsName, "it does not tell what the manifest tells")
	}
	return nil
}

func (c *checker) segment(ctx context.Context, s snapshot.Segment) error {
	o, ok := c.folder.object(s.Name)
	switch {
	case !ok:
		c.damage(s.Name, "it is not there")
	case o.Size != s.Bytes:
		c.damage(s.Name, "it has %d bytes, not %d", o.Size, s.Bytes)
	case c.data:
		return c.records(ctx, s)
	}
	return nil
}

// records verifies a segment whole, and that its bodies are canonical JSON.
func (c *checker) records(ctx context.Context, s snapshot.Segment) error {
	v, err := c.r.verify(ctx, c.folder.prefix, s, true)
	if err != nil {
		return c.note(s.Name, err)
	}
	var canonical []byte
	for res, err := range v.records(ctx) {
		if err != nil {
			return c.note(s.Name, err)
		}
		if canonical, err = resource.Canonical(canonical[:0], res.Body); err != nil || string(canonical) != string(res.Body) {
			c.damage(s.Name, "the body of a record is not canonical JSON")
			return nil
		}
	}
	return nil
}

// twice looks for keys that stand in two segments, where segments overlap.
func (c *checker) twice(ctx context.Context, s *Snapshot) error {
	for _, t := range s.manifest.Types {
		segments := s.manifest.Of(t.Type)
		if len(clusters(segments)) == len(segments) {
			continue
		}
		for _, err := range s.Walk(ctx, t.Type) {
			if err != nil {
				return c.note(snapshot.ManifestName, err)
			}
		}
	}
	return nil
}
