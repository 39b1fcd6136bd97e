package ident

import "testing"

func TestIDsAreUniqueAndRepeatable(t *testing.T) {
	t.Parallel()
	a, b := Source{Seed: 3}, Source{Seed: 3}
	seen := map[string]bool{}
	for range 200_000 {
		id := a.ID("00u")
		if id != b.ID("00u") {
			t.Fatal("equal seeds gave different ids")
		}
		if len(id) != 20 || id[:3] != "00u" {
			t.Fatalf("id %q does not look like Okta's", id)
		}
		if seen[id] {
			t.Fatalf("id %q came twice", id)
		}
		seen[id] = true
	}
	if other := (&Source{Seed: 4}).ID("00u"); seen[other] {
		t.Fatalf("seed 4 repeats %q of seed 3", other)
	}
}

func TestStrideRunsThroughThePeriod(t *testing.T) {
	t.Parallel()
	for _, p := range []uint64{2, 31} {
		if stride%p == 0 {
			t.Errorf("stride shares the factor %d with the period", p)
		}
	}
}

func TestSecret(t *testing.T) {
	t.Parallel()
	s := Source{Seed: 1}
	a, b := s.Secret(64), s.Secret(64)
	if len(a) != 64 || len(b) != 64 || a == b {
		t.Fatalf("secrets %q and %q", a, b)
	}
}
