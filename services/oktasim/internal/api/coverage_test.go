package api_test

import (
	"bufio"
	"errors"
	"flag"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"imago/services/oktasim/internal/api"
)

var update = flag.Bool("update", false, "write golden files anew")

// coverageFile lists Okta's published operations, each with + if the simulator has it and -
// if not, and with * those that the simulator has and Okta does not publish.
const coverageFile = "testdata/operations.txt"

// TestCoverage holds the list of what is simulated, to be read by people. With OKTA_OPENAPI
// naming Okta's API descriptions, -update takes the published operations from there.
func TestCoverage(t *testing.T) {
	t.Parallel()
	before, err := os.ReadFile(coverageFile)
	if err != nil {
		t.Fatal(err)
	}
	published := publishedIn(string(before))
	if paths := filepath.SplitList(os.Getenv("OKTA_OPENAPI")); len(paths) > 0 {
		published = map[string]bool{}
		for _, path := range paths {
			if err := readOpenAPI(path, published); err != nil {
				t.Fatal(err)
			}
		}
	}
	after, have := coverage(published)
	t.Logf("%d of %d published operations are simulated", have, len(published))
	if *update {
		if err := os.WriteFile(coverageFile, []byte(after), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if after != string(before) {
		t.Errorf("%s is not what is simulated; look at what -update changes in it", coverageFile)
	}
}

// publishedIn reads the operations of the list that Okta publishes.
func publishedIn(list string) map[string]bool {
	out := map[string]bool{}
	for line := range strings.Lines(list) {
		if op, beyond := strings.CutPrefix(strings.TrimSpace(line), "* "); !beyond && op != "" {
			out[op[2:]] = true
		}
	}
	return out
}

// readOpenAPI reads the operations of a description: paths stand in the second column,
// methods in the fourth.
func readOpenAPI(path string, out map[string]bool) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	at := ""
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		line := lines.Text()
		name := strings.TrimSuffix(strings.TrimSpace(line), ":")
		switch indent := len(line) - len(strings.TrimLeft(line, " ")); {
		case name == "":
		case indent == 0:
			at = ""
		case indent == 2 && strings.HasPrefix(name, "/"):
			at = name
		case indent == 4 && at != "" && slices.Contains([]string{"get", "post", "put", "patch", "delete"}, name):
			out[strings.ToUpper(name)+" "+at] = true
		}
	}
	return errors.Join(lines.Err(), f.Close())
}

// coverage writes the list, and counts what is simulated of it.
func coverage(published map[string]bool) (list string, have int) {
	var lines []string
	offered := api.Operations()
	beyond := map[string]bool{}
	for _, op := range offered {
		beyond[op[0]+" "+op[1]] = true
	}
	for op := range published {
		mark := "-"
		method, path, _ := strings.Cut(op, " ")
		for _, o := range offered {
			if o[0] == method && serves(o[1], path) {
				mark = "+"
				delete(beyond, o[0]+" "+o[1])
			}
		}
		if mark == "+" {
			have++
		}
		lines = append(lines, mark+" "+op)
	}
	for op := range maps.Keys(beyond) {
		lines = append(lines, "* "+op)
	}
	slices.SortFunc(lines, func(a, b string) int {
		_, x, _ := strings.Cut(a[2:], " ")
		_, y, _ := strings.Cut(b[2:], " ")
		return strings.Compare(x+a, y+b)
	})
	return strings.Join(lines, "\n") + "\n", have
}

// serves says whether the simulator's path is the published one. Variables may bear other
// names; a word may stand for a variable or the other way round, but never an id for a word.
func serves(ours, theirs string) bool {
	x, y := strings.Split(ours, "/"), strings.Split(theirs, "/")
	return slices.EqualFunc(x, y, func(a, b string) bool {
		mine, published := strings.HasPrefix(a, "{"), strings.HasPrefix(b, "{")
		switch {
		case mine && published:
			return true
		case mine:
			return !strings.HasSuffix(a, "Id}") && !strings.HasSuffix(a, "id}")
		case published:
			return !strings.HasSuffix(b, "Id}") && !strings.HasSuffix(b, "id}")
		}
		return a == b
	})
}

func TestServes(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		ours, theirs string
		want         bool
	}{
		{"/a/{x}", "/a/{yId}", true},
		{"/a/{xId}", "/a/default", false},
		{"/a/{xId}/{lifecycle}", "/a/{id}/activate", true},
		{"/a/links.json", "/a/{path}", true},
		{"/a/links.json", "/a/{linkId}", false},
		{"/a/{x}/b", "/a/{x}", false},
	} {
		if got := serves(c.ours, c.theirs); got != c.want {
			t.Errorf("%s serves %s: %v", c.ours, c.theirs, got)
		}
	}
}
