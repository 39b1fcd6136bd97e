package pkg_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The floor plan. A room is a folder of pkg, services or the root with all that is
// below it. Imports go down, never sideways; docs/architecture.md has the drawing.
var floors = map[string]int{
	"pkg/resource": 0, "pkg/account": 0, "pkg/problem": 0, "pkg/memory": 0, "pkg/outbound": 0, "proto": 0, "migrations": 0,
	"pkg/snapshot": 1, "pkg/diff": 1,
	"pkg/provider": 2, "pkg/blob": 2, "pkg/envelope": 2, "pkg/notify": 2, "pkg/billing": 2, "pkg/sso": 2, "pkg/audit": 2, "pkg/job": 2, "pkg/demo": 2,
	"pkg/repository": 3,
	"pkg/backup":     4, "pkg/restore": 4, "pkg/drift": 4, "pkg/compliance": 4, "pkg/export": 4,
	"pkg/postgres": 5, "pkg/boot": 5,
	"services/api": 6, "services/worker": 6, "services/drift": 6, "services/console": 6, "services/cli": 6,
	"services/migrate": 6, "services/standalone": 6, "scripts": 6, "infra": 6,
}

// doors may be implemented by the packages below them, which only services choose.
var doors = []string{"pkg/provider", "pkg/blob", "pkg/envelope", "pkg/notify", "pkg/billing"}

// sideways are the only ways from one service to another.
var sideways = map[string][]string{
	"services/standalone": {"services/api", "services/worker", "services/drift", "services/migrate"},
	"services/api":        {"services/console"},
}

// neighbours are other people's modules that only some rooms may know.
var neighbours = []struct {
	module  string
	allowed []string
	tests   bool // any test may know it
}{
	{"github.com/jackc/pgx", []string{"pkg/postgres", "services"}, false},
	{"github.com/riverqueue", []string{"pkg/postgres", "services"}, false},
	// The gateway's door is versitygw's backend, whose words are the SDK's types.
	{"github.com/aws", []string{"pkg/blob/s3", "pkg/envelope/awskms", "services/standalone/gateway"}, true},
	{"filippo.io/age", []string{"pkg/envelope"}, true},
	{"github.com/stripe/stripe-go", []string{"pkg/billing/stripe"}, false},
	{"github.com/sendgrid", []string{"pkg/notify/sendgrid"}, false},
	{"github.com/okta/okta-sdk-golang", []string{"pkg/provider/okta"}, false},
	{"github.com/versity/versitygw", []string{"services/standalone"}, true},
}

// impure are packages that a decision on floor 1 must not reach for.
var impure = []string{"os", "net", "context", "log", "database", "syscall", "math/rand"}

// goPackage is what `go list -json` says of a package.
type goPackage struct {
	Dir, ImportPath, Name, Doc string
	GoFiles                    []string
	Imports                    []string
	TestImports, XTestImports  []string
}

// path is the package's place in the repository: "pkg/blob/s3".
func (p goPackage) path() string { return strings.TrimPrefix(p.ImportPath, "imago/") }

// room is the part of a place that has a floor: "pkg/blob" of "pkg/blob/s3".
func room(place string) string {
	for dir := place; dir != "." && dir != "/"; dir = path.Dir(dir) {
		if _, ok := floors[dir]; ok {
			return dir
		}
	}
	return ""
}

// within reports whether place is dir or below it.
func within(place, dir string) bool {
	return place == dir || strings.HasPrefix(place, dir+"/")
}

// forTests reports whether a package exists to be imported by tests.
func forTests(place string) bool {
	return strings.HasSuffix(path.Base(place), "test") || within(place, "pkg/blob/fault") || path.Base(place) == "recordings"
}

// implementation reports whether a place is something behind a door.
func implementation(place string) bool {
	return slices.ContainsFunc(doors, func(door string) bool { return place != door && within(place, door) })
}

// checkFloors lists everything in the graph that the floor plan forbids.
func checkFloors(packages []goPackage) (wrong []string) {
	for _, p := range packages {
		place := p.path()
		if place == "pkg" { // this test
			continue
		}
		if room(place) == "" {
			wrong = append(wrong, place+" stands on no floor: give its room one in pkg/floors_test.go and docs/architecture.md")
			continue
		}
		for _, to := range p.Imports {
			wrong = append(wrong, checkImport(place, to)...)
		}
		for _, to := range slices.Concat(p.TestImports, p.XTestImports) {
			wrong = append(wrong, checkTestImport(place, to)...)
		}
	}
	return wrong
}

// checkImport judges one import of code that is shipped.
func checkImport(from, to string) (wrong []string) {
	to, ours := strings.CutPrefix(to, "imago/")
	if !ours {
		return append(checkNeighbour(from, to, false), checkPure(from, to)...)
	}
	a, b := room(from), room(to)
	say := func(why string) { wrong = append(wrong, fmt.Sprintf("%s imports %s: %s", from, to, why)) }
	if within(from, "scripts/internal/demo") {
		say("the demo drives the programs from outside, as a customer would")
	}
	if forTests(to) && !forTests(from) {
		say("that package is for tests")
	}
	if slices.Contains(doors, from) && within(to, from) {
		say("a door does not know who stands behind it")
	}
	if a == b {
		return wrong
	}
	if floors[b] >= floors[a] && !slices.Contains(sideways[a], b) {
		say(fmt.Sprintf("imports go down, and %s is on floor %d, %s on floor %d", a, floors[a], b, floors[b]))
	}
	if implementation(to) && floors[a] < 6 && !forTests(from) {
		say("only services choose who stands behind a door")
	}
	return wrong
}

// checkTestImport judges one import of a test, which may look sideways, to see two
// rooms play together, but not up.
func checkTestImport(from, to string) []string {
	to, ours := strings.CutPrefix(to, "imago/")
	if !ours {
		return checkNeighbour(from, to, true)
	}
	if a, b := room(from), room(to); floors[b] > floors[a] {
		return []string{fmt.Sprintf("the test of %s imports %s: tests do not look up, %s is on floor %d, %s on floor %d", from, to, a, floors[a], b, floors[b])}
	}
	return nil
}

// checkNeighbour judges an import of somebody else's module.
func checkNeighbour(from, to string, test bool) (wrong []string) {
	for _, n := range neighbours {
		known := slices.ContainsFunc(n.allowed, func(dir string) bool { return within(from, dir) })
		if within(to, n.module) && !known && (!test || !n.tests) {
			wrong = append(wrong, fmt.Sprintf("%s imports %s: only %s may", from, to, strings.Join(n.allowed, " and ")))
		}
	}
	return wrong
}

// checkPure judges an import of the standard library on floor 1.
func checkPure(from, to string) []string {
	if floors[room(from)] != 1 || forTests(from) {
		return nil
	}
	if slices.ContainsFunc(impure, func(dir string) bool { return within(to, dir) }) {
		return []string{fmt.Sprintf("%s imports %s: floor 1 is pure", from, to)}
	}
	return nil
}

// checkDoc tells what is wrong with a package's documentation: "" if nothing.
func checkDoc(p goPackage) string {
	if len(p.GoFiles) == 0 || within(p.path(), "proto") { // generated: the .proto is the documentation
		return ""
	}
	want := "Package " + p.Name + " "
	if p.Name == "main" {
		want = "Command " + path.Base(p.ImportPath) + " "
	}
	if !strings.HasPrefix(p.Doc, want) {
		return fmt.Sprintf("%s: its documentation must begin %q, not %q", p.path(), want, p.Doc)
	}
	return ""
}

// clockReads lists where the files of a package ask for the time or wait.
func clockReads(dir string, files []string) ([]string, error) {
	var found []string
	set := token.NewFileSet()
	for _, name := range files {
		file, err := parser.ParseFile(set, filepath.Join(dir, name), nil, 0)
		if err != nil {
			return nil, err
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if s, ok := n.(*ast.SelectorExpr); ok && asksTheTime(s) {
				found = append(found, set.Position(s.Pos()).String())
			}
			return true
		})
	}
	return found, nil
}

// asksTheTime recognises time.Now and its like.
func asksTheTime(s *ast.SelectorExpr) bool {
	x, ok := s.X.(*ast.Ident)
	return ok && x.Name == "time" && slices.Contains([]string{"Now", "Since", "Until", "Sleep", "After", "Tick"}, s.Sel.Name)
}

// listPackages reads every package of the module.
func listPackages(t *testing.T) []goPackage {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "list", "-json=Dir,ImportPath,Name,Doc,GoFiles,Imports,TestImports,XTestImports", "./...")
	cmd.Dir = ".."
	out, err := cmd.Output()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		t.Fatalf("go list: %v\n%s", err, exit.Stderr)
	}
	if err != nil {
		t.Fatal(err)
	}
	var packages []goPackage
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p goPackage
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			return packages
		} else if err != nil {
			t.Fatal(err)
		}
		packages = append(packages, p)
	}
}

func TestFloors(t *testing.T) {
	t.Parallel()
	packages := listPackages(t)
	if len(packages) < 10 {
		t.Fatalf("go list found %d packages: it looked in the wrong place", len(packages))
	}
	for _, wrong := range checkFloors(packages) {
		t.Error(wrong)
	}
}

func TestPackageDocs(t *testing.T) {
	t.Parallel()
	for _, p := range listPackages(t) {
		if wrong := checkDoc(p); wrong != "" {
			t.Error(wrong)
		}
	}
}

func TestFloorOneReadsNoClock(t *testing.T) {
	t.Parallel()
	for _, p := range listPackages(t) {
		if floors[room(p.path())] != 1 || forTests(p.path()) {
			continue
		}
		found, err := clockReads(p.Dir, p.GoFiles)
		if err != nil {
			t.Error(err)
		}
		for _, place := range found {
			t.Errorf("%s asks for the time: pass it in, floor 1 is pure", place)
		}
	}
}

// TestCheckFloors shows that the checker fails on what it is there to find.
func TestCheckFloors(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name     string
		from, to string
		test     bool
		want     string // a part of what it says; "" if the import is fine
	}{
		{"down", "pkg/backup", "imago/pkg/repository", false, ""},
		{"far down", "services/worker", "imago/pkg/resource", false, ""},
		{"within a room", "pkg/postgres/snapshots", "imago/pkg/postgres", false, ""},
		{"up", "pkg/repository", "imago/pkg/backup", false, "imports go down"},
		{"sideways", "pkg/blob", "imago/pkg/envelope", false, "imports go down"},
		{"sideways behind doors", "pkg/blob/s3", "imago/pkg/envelope/local", false, "imports go down"},
		{"a journey to the database", "pkg/restore", "imago/pkg/postgres", false, "imports go down"},
		{"a service to a service", "services/worker", "imago/services/api", false, "imports go down"},
		{"standalone to a service", "services/standalone", "imago/services/drift", false, ""},
		{"the api to the console", "services/api", "imago/services/console", false, ""},
		{"a journey chooses an implementation", "pkg/backup", "imago/pkg/provider/okta", false, "only services choose"},
		{"a service chooses an implementation", "services/worker", "imago/pkg/provider/okta", false, ""},
		{"a door knows who is behind it", "pkg/blob", "imago/pkg/blob/s3", false, "a door does not know"},
		{"no floor", "pkg/util", "fmt", false, "stands on no floor"},
		{"a test package in a service", "services/worker", "imago/pkg/postgres/postgrestest", false, "is for tests"},
		{"the demo", "scripts/internal/demo", "imago/pkg/problem", false, "from outside"},
		{"a test looks sideways", "pkg/backup", "imago/pkg/blob/mem", true, ""},
		{"a test looks up", "pkg/backup", "imago/pkg/postgres", true, "do not look up"},
		{"a test of a service looks at another", "services/drift", "imago/services/worker", true, ""},
		{"pgx in postgres", "pkg/postgres/signin", "github.com/jackc/pgx/v5", false, ""},
		{"pgx in a journey", "pkg/restore", "github.com/jackc/pgx/v5", false, "only pkg/postgres"},
		{"river in a door", "pkg/notify", "github.com/riverqueue/river", false, "only pkg/postgres"},
		{"aws in blob/s3", "pkg/blob/s3", "github.com/aws/aws-sdk-go-v2/service/s3", false, ""},
		{"aws in a service", "services/api", "github.com/aws/aws-sdk-go-v2/service/s3", false, "only pkg/blob/s3"},
		{"aws in envelope/awskms", "pkg/envelope/awskms", "github.com/aws/aws-sdk-go-v2/service/kms", false, ""},
		{"aws in envelope/vault", "pkg/envelope/vault", "github.com/aws/aws-sdk-go-v2/service/kms", false, "only pkg/blob/s3"},
		{"age in the worker", "services/worker", "filippo.io/age", false, "only pkg/envelope"},
		{"stripe in the api", "services/api", "github.com/stripe/stripe-go/v76", false, "only pkg/billing/stripe"},
		{"sendgrid in the worker", "services/worker", "github.com/sendgrid/sendgrid-go", false, "only pkg/notify/sendgrid"},
		{"okta's SDK in a journey", "pkg/backup", "github.com/okta/okta-sdk-golang/v2/okta", false, "only pkg/provider/okta"},
		{"versitygw in the worker", "services/worker", "github.com/versity/versitygw/embedgw", false, "only services/standalone"},
		{"versitygw in a test", "pkg/blob/s3", "github.com/versity/versitygw/embedgw", true, ""},
		{"okta's SDK in a test", "pkg/backup", "github.com/okta/okta-sdk-golang/v2/okta", true, "only pkg/provider/okta"},
		{"input and output on floor 1", "pkg/diff", "os", false, "floor 1 is pure"},
		{"the network on floor 1", "pkg/snapshot", "net/http", false, "floor 1 is pure"},
		{"time's words on floor 1", "pkg/snapshot", "time", false, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := goPackage{ImportPath: "imago/" + tt.from, Imports: []string{tt.to}}
			if tt.test {
				p.Imports, p.XTestImports = nil, p.Imports
			}
			got := strings.Join(checkFloors([]goPackage{p}), "\n")
			if (tt.want == "") != (got == "") || !strings.Contains(got, tt.want) {
				t.Errorf("%s imports %s: got %q, want %q", tt.from, tt.to, got, tt.want)
			}
		})
	}
}

// TestCheckDoc shows the same of the documentation's checker.
func TestCheckDoc(t *testing.T) {
	t.Parallel()
	files := []string{"a.go"}
	tests := []struct {
		p    goPackage
		fine bool
	}{
		{goPackage{ImportPath: "imago/pkg/blob", Name: "blob", Doc: "Package blob is a door.", GoFiles: files}, true},
		{goPackage{ImportPath: "imago/pkg/blob", Name: "blob", Doc: "Copyright 2026.", GoFiles: files}, false},
		{goPackage{ImportPath: "imago/pkg/blob", Name: "blob", GoFiles: files}, false},
		{goPackage{ImportPath: "imago/pkg/blob", Name: "blob_test"}, true},
		{goPackage{ImportPath: "imago/services/cli/cmd/imago", Name: "main", Doc: "Command imago backs up.", GoFiles: files}, true},
		{goPackage{ImportPath: "imago/services/cli/cmd/imago", Name: "main", Doc: "Package main.", GoFiles: files}, false},
	}
	for _, tt := range tests {
		if got := checkDoc(tt.p); (got == "") != tt.fine {
			t.Errorf("%s %q: %q", tt.p.ImportPath, tt.p.Doc, got)
		}
	}
}

// TestClockReads shows that a clock in a pure package would be seen.
func TestClockReads(t *testing.T) {
	t.Parallel()
	found, err := clockReads("testdata", []string{"clock.go"})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{filepath.Join("testdata", "clock.go") + ":6:31"}
	if diff := cmp.Diff(want, found); diff != "" {
		t.Error(diff)
	}
}
