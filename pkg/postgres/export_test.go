package postgres

import "github.com/riverqueue/river"

// Kinds gives one job of every kind, for the tests outside.
func Kinds() (all []river.JobArgs) {
	for _, k := range kinds {
		all = append(all, k.args)
	}
	return all
}
