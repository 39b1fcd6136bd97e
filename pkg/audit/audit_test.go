package audit_test

import (
	"errors"
	"iter"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"imago/pkg/account"
	"imago/pkg/audit"
)

const acme = account.ID("0193b7a0-0000-7000-8000-00000000000a")

func chain(of account.ID, n int) []audit.Row {
	var head audit.Head
	var rows []audit.Row
	for i := range n {
		row := audit.Next(of, head, audit.Entry{
			Time:   time.Date(2026, 3, 1, 12, 0, i, 1234, time.FixedZone("CET", 3600)),
			Action: "take_snapshot", TargetType: "snapshot", TargetID: "s", RequestID: "r",
			Sealed: []byte{byte(i), 1, 2},
		})
		rows = append(rows, row)
		head = audit.Head{Seq: row.Seq, Hash: row.Hash}
	}
	return rows
}

func each(rows []audit.Row) iter.Seq2[audit.Row, error] {
	return func(yield func(audit.Row, error) bool) {
		for _, r := range rows {
			if !yield(r, nil) {
				return
			}
		}
	}
}

func TestWholeChainHolds(t *testing.T) {
	t.Parallel()
	rows := chain(acme, 5)
	head, err := audit.Verify(acme, audit.Head{}, each(rows))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(audit.Head{Seq: 5, Hash: rows[4].Hash}, head); diff != "" {
		t.Error(diff)
	}
	if _, err := audit.Verify(acme, audit.Head{Seq: 2, Hash: rows[1].Hash}, each(rows[2:])); err != nil {
		t.Errorf("from a trusted head: %v", err)
	}
}

// The hash is a format: it must not change with the code.
func TestHashIsFixed(t *testing.T) {
	t.Parallel()
	row := audit.Next(acme, audit.Head{}, audit.Entry{
		Time: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC), Action: "sign_in", RequestID: "r1", Sealed: []byte("sealed"),
	})
	const want = "d2f2056e062134b8c06cafddd632c4ec1fbe0f26ccd93f14dfe91ec7a3570e17"
	if got := row.Hash.String(); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestTamperingIsFound(t *testing.T) {
	t.Parallel()
	for name, tamper := range map[string]func([]audit.Row) []audit.Row{
		"action":         func(r []audit.Row) []audit.Row { r[2].Action = "sign_out"; return r },
		"time":           func(r []audit.Row) []audit.Row { r[2].Time = r[2].Time.Add(time.Microsecond); return r },
		"target":         func(r []audit.Row) []audit.Row { r[2].TargetID = "t"; return r },
		"moved boundary": func(r []audit.Row) []audit.Row { r[2].TargetType, r[2].TargetID = "snapshots", ""; return r },
		"request":        func(r []audit.Row) []audit.Row { r[2].RequestID = ""; return r },
		"sealed bytes":   func(r []audit.Row) []audit.Row { r[2].Sealed = []byte{2, 1, 3}; return r },
		"left out":       func(r []audit.Row) []audit.Row { return append(r[:2:2], r[3:]...) },
		"swapped":        func(r []audit.Row) []audit.Row { r[2], r[3] = r[3], r[2]; return r },
		"twice":          func(r []audit.Row) []audit.Row { return append(r[:3:3], r[2:]...) },
		"of another": func(r []audit.Row) []audit.Row {
			return append(r[:2:2], chain("0193b7a0-0000-7000-8000-00000000000b", 3)[2])
		},
		"made up": func(r []audit.Row) []audit.Row { // a whole new row, well formed, in place of the third
			made := audit.Next(acme, audit.Head{Seq: 2, Hash: r[1].Hash}, audit.Entry{Action: "nothing"})
			return append(append(r[:2:2], made), r[3:]...)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := audit.Verify(acme, audit.Head{}, each(tamper(chain(acme, 5))))
			broken, ok := errors.AsType[*audit.Broken](err)
			if !ok {
				t.Fatalf("got %v", err)
			}
			if broken.Seq != 3 && broken.Seq != 4 {
				t.Errorf("found at %d: %v", broken.Seq, err)
			}
		})
	}
}

func TestCutEndShowsInTheHead(t *testing.T) {
	t.Parallel()
	rows := chain(acme, 5)
	head, err := audit.Verify(acme, audit.Head{}, each(rows[:3]))
	if err != nil {
		t.Fatal(err)
	}
	if head == (audit.Head{Seq: 5, Hash: rows[4].Hash}) {
		t.Error("a shortened chain leads to the same head")
	}
}

func TestErrorOfTheSequenceIsPassedOn(t *testing.T) {
	t.Parallel()
	gone := errors.New("gone")
	_, err := audit.Verify(acme, audit.Head{}, func(yield func(audit.Row, error) bool) { yield(audit.Row{}, gone) })
	if !errors.Is(err, gone) {
		t.Errorf("got %v", err)
	}
}
