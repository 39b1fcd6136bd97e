package postgres

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/riverqueue/river/rivertype"

	"imago/pkg/job"
)

func TestRetriesComeSoonThenSlower(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		queue  string
		errors int
		want   time.Duration
	}{
		{job.QueueBackup, 0, 0}, {job.QueueBackup, 1, 2 * time.Second}, {job.QueueBackup, 3, 8 * time.Second},
		{job.QueueBackup, 9, time.Minute}, {job.QueueMail, 9, 512 * time.Second}, {job.QueueMail, 24, 15 * time.Minute},
	} {
		row := &rivertype.JobRow{Queue: c.queue, Errors: make([]rivertype.AttemptError, c.errors)}
		if got := (retry{func() time.Time { return now }}).NextRetry(row).Sub(now); got != c.want {
			t.Errorf("%s after %d errors: %s, want %s", c.queue, c.errors, got, c.want)
		}
	}
}

// A killed process is taken over well within a minute, and never while it may live.
func TestTakeOverTakesTheTimeThatItMay(t *testing.T) {
	t.Parallel()
	if takeOverAfter <= SliceTimeout {
		t.Error("a slice that still runs would be taken over")
	}
	if worst := takeOverAfter + takeOverEvery; worst > 40*time.Second {
		t.Errorf("a killed process is taken over after %s", worst)
	}
}

// Args may hold IDs only: River keeps them in clear.
func TestArgsHoldIDsOnly(t *testing.T) {
	t.Parallel()
	verbNoun := regexp.MustCompile(`^[a-z]+_[a-z]+$`)
	for name, k := range kinds {
		if !verbNoun.MatchString(name) {
			t.Errorf("kind %q is not verb_noun", name)
		}
		raw, err := json.Marshal(k.args)
		if err != nil {
			t.Fatal(err)
		}
		var fields map[string]string
		if err := json.Unmarshal(raw, &fields); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for field := range fields {
			if !strings.HasSuffix(field, "_id") {
				t.Errorf("%s has an arg %q", name, field)
			}
		}
	}
}

// River's leader throws jobs away of kinds that it does not know.
func TestEveryProgramKnowsEveryKind(t *testing.T) {
	t.Parallel()
	w := NewWorkers()
	if err := w.complete(); err != nil {
		t.Fatal(err)
	}
	for name := range kinds {
		if !w.kinds[name] {
			t.Errorf("%s is not known: add it to complete", name)
		}
	}
}
