package snapshots

import (
	"imago/pkg/repository"
	"imago/pkg/snapshot"
)

// Place is where in the store the snapshot lies, for repository.Open: the worker begins
// its draft with the row's ID and the time of its first slice. "" before that.
func (s Snapshot) Place() string {
	if s.StartedAt == nil {
		return ""
	}
	return snapshot.Prefix(s.AccountID, s.ConnectionID, *s.StartedAt, s.ID)
}

// Place is where in the store it lies.
func (m Moment) Place() string {
	return snapshot.Prefix(m.AccountID, m.ConnectionID, m.StartedAt, m.ID)
}

// Known is the snapshot as its row tells, for repository.OpenKnown: who opens one that was taken
// goes by this.
func (s Snapshot) Known() repository.Known {
	return repository.Known{Prefix: s.Place(), Digest: s.ManifestDigest, Next: s.ManifestNext}
}

// Known is the snapshot as its row tells.
func (m Moment) Known() repository.Known {
	return repository.Known{Prefix: m.Place(), Digest: m.ManifestDigest, Next: m.ManifestNext}
}
