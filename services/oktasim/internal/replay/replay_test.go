package replay

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"

	"imago/services/oktasim/internal/doc"
)

var update = flag.Bool("update", false, "rewrite golden files")

func load(t *testing.T, name string) []Run {
	t.Helper()
	runs, err := Load("testdata/" + name + ".jsonl")
	if err != nil {
		t.Fatal(err)
	}
	for i := range runs {
		if err := runs[i].prepare(); err != nil {
			t.Fatal(err)
		}
	}
	return runs
}

// reading is a run of JSON lines, prepared.
func reading(t *testing.T, lines ...string) Run {
	t.Helper()
	g := grouping{at: map[string]int{}}
	if err := Read(strings.NewReader(strings.Join(lines, "\n")), g.add); err != nil {
		t.Fatal(err)
	}
	r := g.sorted()[0]
	if err := r.prepare(); err != nil {
		t.Fatal(err)
	}
	return r
}

// edit changes a step of a loaded run as if it had been recorded so.
func edit(t *testing.T, s *Step, change func(body doc.Doc)) {
	t.Helper()
	body, ok := s.body.(doc.Doc)
	if !ok {
		t.Fatalf("step %d has no object for an answer", s.Seq)
	}
	change(body)
	raw, err := doc.Bytes(body)
	if err != nil {
		t.Fatal(err)
	}
	s.Response = raw
}

// found lists the mismatches of an outcome as "seq aspect path".
func found(o outcome) []string {
	out := []string{}
	for _, r := range o.results {
		for _, m := range r.mismatches {
			out = append(out, strings.TrimSpace(strings.Join([]string{string(rune('0' + r.step.Seq)), m.Aspect, m.Path}, " ")))
		}
	}
	return out
}

func TestRunsThatMatch(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"life", "given", "parallel", "order", "lag", "switch"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			runs := load(t, name)
			o := play(runs[0], Options{})
			for _, r := range o.results {
				for _, m := range r.mismatches {
					t.Errorf("step %d: %+v", r.step.Seq, m)
				}
			}
			if len(o.stuck) > 0 {
				t.Errorf("stuck: %v", o.stuck)
			}
		})
	}
}

// TestEveryDifferenceShows spoils a matching run in one place at a time.
func TestEveryDifferenceShows(t *testing.T) {
	t.Parallel()
	set := func(i int, path []string, v any) func(*testing.T, []*Step) {
		return func(t *testing.T, steps []*Step) {
			edit(t, steps[i], func(d doc.Doc) { doc.Ensure(d, path[:len(path)-1]...)[path[len(path)-1]] = v })
		}
	}
	for _, c := range []struct {
		name, file string
		spoil      func(*testing.T, []*Step)
		want       []string
	}{
		{"status", "life", func(_ *testing.T, s []*Step) { s[4].Status = 200 }, []string{"4 status"}},
		{"error code", "life", set(5, []string{"errorCode"}, "E0000006"), []string{"5 code errorCode", "5 values errorCode"}},
		{"field that we lack", "life", set(1, []string{"realm"}, "x"), []string{"1 shape realm"}},
		{"field that is too much", "life", func(t *testing.T, s []*Step) {
			edit(t, s[1], func(d doc.Doc) { delete(d, "type") })
		}, []string{"1 shape type"}},
		{"type of a field", "life", set(1, []string{"objectClass"}, "okta:user_group"), []string{"1 shape objectClass"}},
		{"value", "life", set(2, []string{"profile", "description"}, "Elsewhere"), []string{"2 values profile.description"}},
		{"another object", "life", set(1, []string{"id"}, "00gSomebody00000000a"), []string{"1 values id"}},
		{"timestamp of another format", "life", set(0, []string{"created"}, "2031-05-06T07:08:09Z"), []string{"0 values created"}},
		{"timestamp too far away", "life", set(2, []string{"lastUpdated"}, "2031-05-06T07:08:32.000Z"), []string{"2 values lastUpdated"}},
		{"self link", "life", func(_ *testing.T, s []*Step) {
			s[1].Link = []string{`<https://fleet-00.okta.com/api/v1/groups>; rel="self"`}
		}, []string{"1 values Link"}},
		{"given thing", "given", set(4, []string{"profile", "name"}, "Port"), []string{"4 values profile.name"}},
		{"given thing that is not named", "given", set(3, []string{"actions", "assignUserToGroups", "groupIds"}, []any{"00gHarbor00000000a1z"}),
			[]string{"3 values actions.assignUserToGroups.groupIds[]"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			runs := load(t, c.file)
			c.spoil(t, runs[0].Steps)
			if got := found(play(runs[0], Options{})); !reflect.DeepEqual(got, c.want) {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

// TestForeignObjects shows what the run must find in a list, and what it need not.
func TestForeignObjects(t *testing.T) {
	t.Parallel()
	group := func(t *testing.T, s *Step, name string) doc.Doc {
		t.Helper()
		for _, e := range s.body.([]any) {
			if d := e.(doc.Doc); doc.String(d, "profile", "name") == name {
				return d
			}
		}
		t.Fatalf("no group %s", name)
		return nil
	}
	t.Run("the run's own is missing", func(t *testing.T) {
		t.Parallel()
		runs := load(t, "parallel")
		runs[0].Steps[3].body = []any{group(t, runs[0].Steps[3], "Stranger")}
		if got, want := found(play(runs[0], Options{})), []string{"3 values []"}; !reflect.DeepEqual(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
	})
	t.Run("a search lists what it should not", func(t *testing.T) {
		t.Parallel()
		runs := load(t, "order")
		for _, s := range runs[0].Steps {
			if s.Method == "GET" {
				s.body = []any{}
			}
		}
		if got, want := found(play(runs[0], Options{})), []string{"0 values []"}; !reflect.DeepEqual(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
	})
	t.Run("a stamp that the run may have moved", func(t *testing.T) {
		t.Parallel()
		runs := load(t, "parallel")
		edit(t, runs[0].Steps[7], func(d doc.Doc) { d["lastMembershipUpdated"] = "2031-05-06T07:10:21.000Z" })
		if got, want := found(play(runs[0], Options{})), []string{"7 values lastMembershipUpdated"}; !reflect.DeepEqual(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
	})
	t.Run("others change what the run has changed", func(t *testing.T) {
		t.Parallel()
		runs := load(t, "parallel")
		s := runs[0].Steps
		s[6].Path = "/api/v1/groups/00gHarbor00000000a1z"
		if got := found(play(runs[0], Options{})); len(got) != 1 || got[0] != "7 status" {
			t.Errorf("got %q, want a difference in step 7: the run deleted it", got)
		}
	})
}

func TestSurvey(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		file string
		want map[string]int
	}{
		{"life", map[string]int{}},
		{"given", map[string]int{
			"/api/v1/groups/00gHarbor00000000a1z": 0, "/api/v1/groups/00gEveryone000000a1z": 0, "/api/v1/groups/00gPilots00000000a1z": 0,
			"/api/v1/users/00uMona0000000000a1z": 0, "/api/v1/groups/00gHarbor00000000a1z/users/00uMona0000000000a1z": 0,
		}},
		{"parallel", map[string]int{
			"/api/v1/groups/00gForeign0000000a1z": 1, "/api/v1/groups/00gStranger000000a1z": 3, "/api/v1/groups/00gHarbor00000000a1z": 0,
		}},
	} {
		runs := load(t, c.file)
		got := map[string]int{}
		for path, g := range surveyOf(&runs[0], hostsOf(&runs[0])).given {
			got[path] = g.from
		}
		if !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: got %v, want %v", c.file, got, c.want)
		}
	}
}

// TestSurveyOfLines shows single rules of what counts as given.
func TestSurveyOfLines(t *testing.T) {
	t.Parallel()
	const when = `"date":"Tue, 06 May 2031 07:08:09 GMT"`
	line := func(method, path, request, response string) string {
		return fmt.Sprintf(`{"test":"T","method":%q,"path":%q,"status":200,"request":%s,"response":%s,%s}`, method, path, request, response, when)
	}
	for _, c := range []struct {
		name  string
		lines []string
		want  []string
	}{
		{"made under a name that is no id", []string{
			line("POST", "/api/v1/meta/schemas/user/linkedObjects", `{"primary":{"name":"captain"}}`, `{"primary":{"name":"captain"}}`),
			line("GET", "/api/v1/meta/schemas/user/linkedObjects/captain", "null", `{"primary":{"name":"captain"}}`),
		}, nil},
		{"a setting", []string{line("GET", "/api/v1/threats/configuration", "null", `{"action":"none"}`)}, []string{"/api/v1/threats/configuration"}},
		{"a setting that the run wrote", []string{
			line("POST", "/api/v1/threats/configuration", `{"action":"none"}`, `{"action":"none"}`),
			line("GET", "/api/v1/threats/configuration", "null", `{"action":"none"}`),
		}, nil},
		{"what hangs on a thing made", []string{
			line("POST", "/api/v1/brands", `{}`, `{"id":"bndMade0000000000a1z"}`),
			line("GET", "/api/v1/brands/bndMade0000000000a1z/themes", "null", `[{"id":"theMade0000000000a1z"}]`),
		}, nil},
		{"what mentions a thing made", []string{
			line("POST", "/api/v1/apps", `{}`, `{"id":"0oaMade0000000000a1z"}`),
			line("GET", "/api/v1/mappings", "null", `[{"id":"prmMade0000000000a1z","source":{"id":"0oaMade0000000000a1z"}}]`),
		}, nil},
		{"what mentions a thing made and is older", []string{
			line("POST", "/api/v1/apps", `{}`, `{"id":"0oaMade0000000000a1z"}`),
			line("GET", "/api/v1/mappings", "null", `[{"id":"prmOld00000000000a1z","created":"2030-01-01T00:00:00.000Z","source":{"id":"0oaMade0000000000a1z"}}]`),
		}, []string{"/api/v1/mappings/prmOld00000000000a1z"}},
		{"changed at its own path", []string{line("PUT", "/api/v1/zones/nzoOld00000000000a1z", `{}`, `{"id":"nzoOld00000000000a1z"}`)}, []string{"/api/v1/zones/nzoOld00000000000a1z"}},
		{"switched below its own path", []string{line("POST", "/api/v1/zones/nzoOld00000000000a1z/lifecycle/activate", `{}`, `{"id":"nzoOld00000000000a1z"}`)}, []string{"/api/v1/zones/nzoOld00000000000a1z"}},
		{"named in a request", []string{line("POST", "/api/v1/policies", `{"g":["00gOld00000000000a1z"]}`, `{"id":"00pMade0000000000a1z"}`)}, []string{"/api/v1/groups/00gOld00000000000a1z"}},
		{"default policy of new apps", []string{line("POST", "/api/v1/apps", `{}`, `{"id":"0oaMade0000000000a1z","_links":{"accessPolicy":{"href":"https://x.okta.com/api/v1/policies/rstOld00000000000a1z"}}}`)},
			[]string{"/api/v1/policies/rstOld00000000000a1z"}},
		{"an app of which only what lies below is seen", []string{line("PUT", "/api/v1/apps/0oaOld00000000000a1z/features/X", `{}`, `{}`)},
			[]string{"/api/v1/apps/0oaOld00000000000a1z"}},
		{"a user type at the end of a mapping", []string{
			line("POST", "/api/v1/apps", `{}`, `{"id":"0oaMade0000000000a1z"}`),
			line("GET", "/api/v1/mappings", "null", `[{"id":"prmMade0000000000a1z","source":{"id":"0oaMade0000000000a1z","type":"appuser"},"target":{"id":"otyOld00000000000a1z","type":"user","name":"crew"}}]`),
		}, []string{"/api/v1/meta/types/user/otyOld00000000000a1z"}},
		{"the key with which the org signs", []string{
			line("POST", "/api/v1/apps", `{}`, `{"id":"0oaMade0000000000a1z"}`),
			line("GET", "/api/v1/apps/0oaMade0000000000a1z/credentials/keys", "null", `[{"kid":"own","created":"2031-05-06T07:08:09.000Z","expiresAt":"2041-05-06T07:08:08.000Z"},{"kid":"of-the-org","created":"2031-05-06T07:08:09.000Z","expiresAt":"2039-01-05T08:00:00.000Z"}]`),
		}, []string{"/api/v1/org/signing-keys/of-the-org"}},
		{"a user by login", []string{line("GET", "/api/v1/users/mona@fleet.example", "null", `{"id":"00uMona0000000000a1z"}`)}, []string{"/api/v1/users/00uMona0000000000a1z"}},
	} {
		run := reading(t, c.lines...)
		var got []string
		for _, x := range surveyOf(&run, hostsOf(&run)).order() {
			got = append(got, x.path)
		}
		if !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
	}
}

// TestFeaturesOfTheRecordedOrg plays a run of an org whose groups have no owners.
func TestFeaturesOfTheRecordedOrg(t *testing.T) {
	t.Parallel()
	runs := load(t, "life")
	for _, s := range runs[0].Steps[:3] {
		edit(t, s, func(d doc.Doc) { delete(doc.Object(d, "_links"), "owners") })
	}
	if got := found(play(runs[0], Options{})); len(got) > 0 {
		t.Errorf("got %q", got)
	}
}

// TestTimeBeforeTheRun gives a schema that was read after a change alone the time which
// the answer to the change shows.
func TestTimeBeforeTheRun(t *testing.T) {
	t.Parallel()
	const was, is = "2031-02-03T04:05:06.000Z", "2031-05-06T07:08:09.000Z"
	line := func(seq int, method, request, updated string) string {
		return fmt.Sprintf(`{"test":"P","run":0,"engine":"oie","seq":%d,"method":%q,"path":"/api/v1/meta/schemas/group/default","status":200,`+
			`"request":%s,"response":{"id":"x","name":"group","created":"2030-01-02T03:04:05.000Z","lastUpdated":%q,"definitions":{}},`+
			`"date":"Tue, 06 May 2031 07:08:09 GMT"}`, seq, method, request, updated)
	}
	run := reading(t, line(0, "POST", `{"definitions":{}}`, was), line(1, "GET", "null", is))
	given := surveyOf(&run, hostsOf(&run)).given["/api/v1/meta/schemas/group/default"]
	if given == nil || given.body["lastUpdated"] != was {
		t.Fatalf("taken for granted: %+v", given)
	}
	for _, r := range play(run, Options{}).results {
		for _, m := range r.mismatches {
			if m.Path == "lastUpdated" {
				t.Errorf("%+v", m)
			}
		}
	}
}

func TestPlacesBeforeAreFilled(t *testing.T) {
	t.Parallel()
	lines := `{"test":"P","run":0,"engine":"oie","seq":0,"method":"POST","path":"/api/v1/policies","status":200,"request":{"type":"PASSWORD","name":"Mine"},"response":{"id":"00pMine0000000000a1z","type":"PASSWORD","name":"Mine","priority":3},"date":"Tue, 06 May 2031 07:08:09 GMT"}`
	run := reading(t, lines)
	v := surveyOf(&run, hostsOf(&run))
	if len(v.given) != 2 {
		t.Errorf("%d policies stand before the third place", len(v.given))
	}
	for _, r := range play(run, Options{}).results {
		for _, m := range r.mismatches {
			if m.Path == "priority" {
				t.Errorf("%+v", m)
			}
		}
	}
}

func TestExcludedRefusalsAreNotSent(t *testing.T) {
	t.Parallel()
	runs := load(t, "life")
	s := runs[0].Steps
	s[1].Method, s[1].Path, s[1].Status = "DELETE", "/api/v1/groups/00gCrew0000000000a1z", 423
	o := play(runs[0], Options{Exclusions: []Exclusion{{Method: "*", Template: "*", conditions: []condition{{field: "status", value: "423"}}}}})
	if got := found(o); len(got) != 0 {
		t.Errorf("got %q: the excluded step was sent and deleted the group", got)
	}
}

func TestReport(t *testing.T) {
	t.Parallel()
	exclusions, err := ReadExclusions(strings.NewReader("* * status=500 — a fault of the recorded org"))
	if err != nil {
		t.Fatal(err)
	}
	report := Play(load(t, "two"), Options{Exclusions: exclusions})
	var out bytes.Buffer
	if err := report.Print(&out, 5); err != nil {
		t.Fatal(err)
	}
	golden(t, "two.txt", out.Bytes())
	b, err := json.Marshal(report)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"whole":1`, `"runs":2`, `"excluded":1`, `"example":"Broken#1/classic:1"`} {
		if !strings.Contains(string(b), want) {
			t.Errorf("the JSON report lacks %s", want)
		}
	}
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	file := "testdata/" + name
	if *update {
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestOnly(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		only               []string
		steps, runs, whole int
	}{
		{nil, 4, 2, 1},
		{[]string{"/api/v1/groups/{"}, 1, 1, 0},
		{[]string{"/api/v1/none"}, 1, 1, 0},
		{[]string{"POST /api/v1/gr"}, 2, 2, 1},
		{[]string{"/api/*/none", "/api/v1/groups/{groupId}"}, 2, 1, 0},
		{[]string{"/oauth2"}, 0, 0, 0},
	} {
		r := Play(load(t, "two"), Options{Only: c.only})
		if r.Total.Steps != c.steps || r.Runs != c.runs || r.Whole != c.whole {
			t.Errorf("%q: got %d steps, %d of %d runs; want %d, %d of %d", c.only, r.Total.Steps, r.Whole, r.Runs, c.steps, c.whole, c.runs)
		}
	}
}

func TestThresholds(t *testing.T) {
	t.Parallel()
	full := Thresholds{100, 100, 100, 100, 100}
	good := Report{Total: Line{Steps: 200, Status: 200, Shape: 200, Values: 200, Errors: 2, Codes: 2}, Runs: 4, Whole: 4}
	for _, c := range []struct {
		name  string
		spoil func(*Report)
		want  []string
	}{
		{"all", func(*Report) {}, nil},
		{"status", func(r *Report) { r.Total.Status-- }, []string{"status 99.50 % is below 100 %"}},
		{"codes", func(r *Report) { r.Total.Codes-- }, []string{"error codes 50.00 % is below 100 %"}},
		{"shape", func(r *Report) { r.Total.Shape -= 2 }, []string{"shape 99.00 % is below 100 %"}},
		{"values", func(r *Report) { r.Total.Values -= 100 }, []string{"values 50.00 % is below 100 %"}},
		{"runs", func(r *Report) { r.Whole-- }, []string{"whole runs 75.00 % is below 100 %"}},
		{"just enough excluded", func(r *Report) { r.Excluded = 10 }, nil},
		{"too much excluded", func(r *Report) { r.Excluded = 11 }, []string{"11 of 211 steps are excluded, more than 5 %"}},
		{"nothing to count", func(r *Report) { *r = Report{} }, nil},
	} {
		r := good
		c.spoil(&r)
		if got := r.Check(full); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
	}
}
