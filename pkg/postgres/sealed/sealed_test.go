package sealed

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"imago/pkg/audit"
	"imago/pkg/envelope"
	"imago/pkg/envelope/local"
)

func keyring(t *testing.T) *envelope.Keyring {
	t.Helper()
	ks, err := local.Create(t.TempDir()+"/master.keys", time.Unix(0, 0))
	if err != nil {
		t.Fatal(err)
	}
	k, err := envelope.NewKeyring(t.Context(), ks, "a1")
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// TestPlacesAreApart seals for each place and opens at each: only its own opens.
func TestPlacesAreApart(t *testing.T) {
	t.Parallel()
	k := keyring(t)
	places := []Place{
		Activity(audit.Entry{Action: "x", TargetType: "restore", TargetID: "r1", RequestID: "q1"}),
		Activity(audit.Entry{Action: "x", TargetType: "restore", TargetID: "r2", RequestID: "q1"}),
		Finding("c1", "d1"), Finding("c1", "d2"), Selection("r1"), Selection("r2"), Plan("r1"), Receipt("r1"),
		Step("r1", 1), Step("r1", 2), Checkpoint("s1"), Response("u1", "k"), Response("u2", "k"),
		Sighting("c1", "r1"), Named("c1", "r1"), Named("c1", "r2"), Named("c2", "r1"),
	}
	for i, p := range places {
		sealed, err := p.Seal(k, audit.Who{Actor: "ann@example.com"})
		if err != nil {
			t.Fatal(err)
		}
		for j, q := range places {
			var got audit.Who
			err := q.Open(k, sealed, &got)
			if i == j && (err != nil || !cmp.Equal(got, audit.Who{Actor: "ann@example.com"})) {
				t.Errorf("%v does not open what it sealed: %v, %v", p, got, err)
			}
			if i != j && !errors.Is(err, envelope.ErrNotOpened) {
				t.Errorf("%v opens what was sealed for %v: %v", q, p, err)
			}
		}
	}
}
