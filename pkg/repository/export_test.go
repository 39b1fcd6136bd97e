package repository

import "imago/pkg/envelope"

// Keys lets tests write a second repository under the same keyring.
func Keys(r *Repository) *envelope.Keyring { return r.keys }
