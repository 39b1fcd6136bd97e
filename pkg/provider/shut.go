package provider

import "errors"

// Shut reports whether an error of a Writer's Org proves that nothing can be written with
// its credential: the provider knows no active app with this ID and key. Other refusals
// (a scope that was taken away, a clock that is wrong) may leave it able to. Providers
// answer by a method Shut of the cause.
func Shut(err error) bool {
	refusal, ok := errors.AsType[interface {
		error
		Shut() bool
	}](err)
	return ok && refusal.Shut()
}
