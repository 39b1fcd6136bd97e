package repository

import (
	"imago/pkg/blob/mem"
	"imago/pkg/envelope"
)

// Keys lets tests write a second repository under the same keyring.
func Keys(r *Repository) *envelope.Keyring { return r.keys }

// Store lets tests reach behind a repository that they made over mem.
func Store(r *Repository) *mem.Store { return r.store.(*mem.Store) }
