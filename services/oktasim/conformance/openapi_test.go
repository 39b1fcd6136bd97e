package conformance

import (
	"bufio"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"imago/services/oktasim/internal/replay"
)

// leastChecked is how many answers the suite must at least put to the test: fewer mean
// that they do not reach it.
const leastChecked = 2500

// spoilers are tests whose answers are spoiled on purpose.
var spoilers = []string{
	"TestFaults", "TestSpoiltLinks", "TestFoldedLinksAreWellFormed", "TestDuplicatesOverPages", "TestDuplicatesInEnvelopes",
	"TestShortPagesLoseNothing", "TestSpoiltHeaders",
}

// TestAnswersAreAsOktaDescribesThem runs the simulator's tests and checks all that they
// were answered.
func TestAnswersAreAsOktaDescribesThem(t *testing.T) {
	t.Parallel()
	spec, err := LoadSpec()
	if err != nil {
		t.Fatal(err)
	}
	faults := readFaults(t)
	checked, used := 0, map[int]bool{}
	example, count := map[string]Violation{}, map[string]int{}
	for _, e := range suite(t) {
		found, known := spec.Check(e)
		if known {
			checked++
		}
		for _, v := range found {
			i := slices.IndexFunc(faults, func(f Fault) bool { return f.Covers(v) })
			if i >= 0 {
				used[i] = true
				continue
			}
			key := strings.Join([]string{v.Method, v.Template, v.Pointer, v.What}, " ")
			count[key]++
			example[key] = v
		}
	}
	t.Logf("%d answers checked", checked)
	if checked < leastChecked {
		t.Errorf("only %d answers were checked", checked)
	}
	for key, v := range example {
		t.Errorf("%d× %v", count[key], v)
	}
	for i, f := range faults {
		if !used[i] {
			t.Errorf("faults.txt:%d: no answer has it any more", f.Line)
		}
	}
}

// TestRecordedFaults proves that real orgs answer what faults.txt says they do.
func TestRecordedFaults(t *testing.T) {
	t.Parallel()
	name := os.Getenv("OKTA_RECORDINGS")
	if name == "" {
		t.Skip("OKTA_RECORDINGS names no file of recorded interactions")
	}
	spec, err := LoadSpec()
	if err != nil {
		t.Fatal(err)
	}
	seen, faults := map[int]bool{}, readFaults(t)
	err = replay.ReadFile(name, func(s *replay.Step) {
		e := Exchange{Method: s.Method, Path: s.Path, Status: s.Status}
		if len(s.Response) > 0 && json.Unmarshal(s.Response, &e.Response) != nil {
			t.Errorf("%s: the answer is no JSON", s.Path)
		}
		found, _ := spec.Check(e)
		for _, v := range found {
			for i, f := range faults {
				seen[i] = seen[i] || f.Covers(v)
			}
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	for i, f := range faults {
		if f.Why == "R" && !seen[i] {
			t.Errorf("faults.txt:%d: no recorded answer has it", f.Line)
		}
	}
}

func readFaults(t *testing.T) []Fault {
	t.Helper()
	f, err := os.Open("faults.txt")
	if err != nil {
		t.Fatal(err)
	}
	faults, err := ParseFaults(f)
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	return faults
}

// recordFolder names the variable by which the simulator's tests are told where to write
// down what they ask for and get; if it is set, they have done so already.
const recordFolder = "OKTASIM_RECORD"

// suite returns what the tests of the simulator's HTTP face were answered.
func suite(t *testing.T) []Exchange {
	t.Helper()
	folder := os.Getenv(recordFolder)
	if folder == "" {
		folder = t.TempDir()
		runSuite(t, folder)
	}
	files, err := filepath.Glob(filepath.Join(folder, "*.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	var all []Exchange
	for _, name := range files {
		all = append(all, exchanges(t, name)...)
	}
	return all
}

func runSuite(t *testing.T, folder string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "test", "-count=1", "./internal/api")
	cmd.Dir = ".."
	cmd.Env = append(os.Environ(), "GOWORK=off", recordFolder+"="+folder)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("the simulator's tests fail: %v\n%s", err, out)
	}
}

func exchanges(t *testing.T, name string) []Exchange {
	t.Helper()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	var out []Exchange
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 64<<20)
	for lines.Scan() {
		var e Exchange
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		test, _, _ := strings.Cut(e.Test, "/")
		if !slices.Contains(spoilers, test) {
			out = append(out, e)
		}
	}
	if err := lines.Err(); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	return out
}
