package repository_test

import (
	"errors"
	"fmt"
	"testing"

	"imago/pkg/envelope"
	"imago/pkg/problem"
	"imago/pkg/repository"
	"imago/pkg/snapshot"
)

// TestLost: what a newer version wrote, or another key opens, is not given up.
func TestLost(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		err  error
		lost bool
	}{
		{nil, false}, {errors.New("the store does not answer"), false},
		{problem.New(problem.NotFound, "there is no snapshot"), true},
		{fmt.Errorf("open: %w", repository.ErrDamaged), true},
		{errors.Join(repository.ErrDamaged, snapshot.ErrFormat), false},
		{envelope.ErrNoKey, false},
	} {
		if repository.Lost(c.err) != c.lost {
			t.Errorf("%v: want lost %v", c.err, c.lost)
		}
	}
}
