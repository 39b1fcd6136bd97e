package blob_test

import (
	"errors"
	"testing"

	"imago/pkg/blob"
	"imago/pkg/blob/fault"
	"imago/pkg/blob/mem"
)

func TestReady(t *testing.T) {
	t.Parallel()
	s := fault.New(mem.New(mem.Options{}))
	if err := blob.Ready(t.Context(), s); err != nil {
		t.Errorf("an empty store: %v", err)
	}
	away := errors.New("connection refused")
	s.AddFault(fault.Get).ErrorInstead(away)
	if err := blob.Ready(t.Context(), s); !errors.Is(err, away) {
		t.Errorf("a store that is away: %v", err)
	}
}
