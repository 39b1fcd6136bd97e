package pkg_test

import (
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// numbered is the beginning of a row of docs/unverified.md, as "| O12 |".
var numbered = regexp.MustCompile(`^\| ([A-Z])(\d+) \|`)

// mention is the number of a row about Okta in another document's text.
var mention = regexp.MustCompile(`\bO\d{1,2}\b`)

// TestAssumptionsAreNumbered holds the rows of docs/unverified.md to one number each, in
// order, and the documents that name a row to one that is there.
func TestAssumptionsAreNumbered(t *testing.T) {
	t.Parallel()
	last, rows := map[string]int{}, map[string]bool{}
	for line := range strings.Lines(text(t, "../docs/unverified.md")) {
		row := numbered.FindStringSubmatch(line)
		if row == nil {
			continue
		}
		n, err := strconv.Atoi(row[2])
		if err != nil {
			t.Fatal(err)
		}
		if n <= last[row[1]] {
			t.Errorf("%s%d stands behind %s%d", row[1], n, row[1], last[row[1]])
		}
		last[row[1]], rows[row[1]+row[2]] = n, true
	}
	if last["O"] == 0 {
		t.Error("docs/unverified.md numbers nothing about Okta")
	}
	for _, name := range []string{"../services/oktasim/README.md", "../docs/operations.md", "../docs/architecture.md"} {
		for _, n := range mention.FindAllString(text(t, name), -1) {
			if !rows[n] {
				t.Errorf("%s names %s, which docs/unverified.md has not", name, n)
			}
		}
	}
}

func text(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
