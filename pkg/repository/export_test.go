package repository

import (
	"imago/pkg/blob/mem"
	"imago/pkg/envelope"
	"imago/pkg/resource"
	"imago/pkg/snapshot"
)

// Keys lets tests write a second repository under the same keyring.
func Keys(r *Repository) *envelope.Keyring { return r.keys }

// Store lets tests reach behind a repository that they made over mem.
func Store(r *Repository) *mem.Store { return r.store.(*mem.Store) }

// SealManifest lets tests forge one.
func SealManifest(t interface{ Fatal(...any) }, r *Repository, prefix string, text []byte) []byte {
	object, err := r.pack(manifestPurpose, prefix+"/"+snapshot.ManifestName, text)
	if err != nil {
		t.Fatal(err)
	}
	return object
}

// ForgetNames lets tests write a layer whose resources are not found by their names.
func ForgetNames(d *Draft) { d.facts.Names = nil }

// AddName lets tests write a name that no resource has.
func AddName(d *Draft, k resource.Key, name string) error {
	return d.names.delta.add(resource.Resource{Key: snapshot.NameKey(k, name), Body: []byte(snapshot.NameRecord)})
}
