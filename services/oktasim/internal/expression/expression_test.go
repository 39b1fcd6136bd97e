package expression

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
)

type person struct {
	attributes map[string]any
	groups     []string
	names      []string
}

func (p person) Attribute(n string) any { return p.attributes[n] }
func (p person) InGroup(id string) bool { return slices.Contains(p.groups, id) }
func (p person) GroupNames() []string   { return p.names }

var bob = person{
	attributes: map[string]any{"firstName": "Bob", "department": "Finance", "title": "Head of Payroll", "level": json.Number("9"), "teams": []any{"red", "blue"}},
	groups:     []string{"00gA"}, names: []string{"West Coast"},
}

func TestEval(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{
		`user.department=="Finance"`:                                       true,
		`user.department=='Finance'`:                                       true,
		`user.department != "Finance"`:                                     false,
		`user.department eq "Finance"`:                                     true,
		`String.startsWith(user.firstName,"B")`:                            true,
		`String.startsWith(user.firstName,String.toLowerCase("BOB"))`:      false,
		`String.startsWith(String.toLowerCase(user.firstName),"bob")`:      true,
		`String.stringContains(user.title,"Payroll")`:                      true,
		`String.stringContains(user.missing,"x")`:                          false,
		`isMemberOfAnyGroup("00gX","00gA")`:                                true,
		`isMemberOfGroup("00gX")`:                                          false,
		`!isMemberOfGroup("00gX") and isMemberOfAnyGroup("00gA")`:          true,
		`isMemberOfGroupName("West Coast")`:                                true,
		`isMemberOfGroupNameStartsWith("East")`:                            false,
		`isMemberOfGroupNameContains("Coast")`:                             true,
		`user.department=="X" or user.firstName=="Bob"`:                    true,
		`user.department=="X" || user.firstName=="Bob" && user.title=="x"`: false,
		`(user.department=="X" OR user.firstName=="Bob") AND true`:         true,
		`not (user.department=="Finance")`:                                 false,
		`user.missing == null`:                                             true,
		`user.missing == "x"`:                                              false,
		`String.append(user.firstName,"by")=="Bobby"`:                      true,
		`String.substringBefore("a@b","@")=="a"`:                           true,
		`String.substringAfter("a@b","@")=="b"`:                            true,
		`  user . department   ==  "Finance" `:                             true,
		`String.len(user.firstName) == 3`:                                  true,
		`String.len(user.title) > 9 AND String.len(user.title) <= 15`:      true,
		`user.level >= 10`:                                                 false,
		`user.level lt 9.5`:                                                true,
		`Arrays.contains(user.teams, "red")`:                               true,
		`Arrays.contains({"a","b"}, "c")`:                                  false,
		`Arrays.size(user.teams) == 2`:                                     true,
		`Arrays.isEmpty(user.teams)`:                                       false,
		`String.replace(user.title, "of", "at") == "Head at Payroll"`:      true,
		`String.substring(user.title, 0, 4) == "Head"`:                     true,
		`String.substring(user.title, 4, 400) == "x"`:                      false,
		`isMemberOfGroupNameRegex("West .*")`:                              true,
		`isMemberOfGroupNameRegex("Wes")`:                                  false,
		`hasDirectoryUser() AND findDirectoryUser().managerUpn == "x"`:     false,
		`hasWorkdayUser() or user.department == "Finance"`:                 true,
	} {
		e, err := Parse(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if got := e.Eval(bob); got != want {
			t.Errorf("%s: got %v, want %v", text, got, want)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		``, `(user.firstName == "TestAcc"`, `user.firstName ==`, `"text"`, `String.len(user.firstName)`, `user.a.b == "x"`,
		`String.startsWith(user.firstName)`, `isMemberOfGroup("a","b")`, `user.x == "y" and "z"`, `user.x == "unclosed`, `%`,
		`user.x == "y")`, `findDirectoryUser() == "x"`, `findDirectoryUser().a`, `Convert.toInt("12") > 9`, `user.`, `user..a == "x"`, `Arrays.contains({"a" "b"}, "a")`,
	} {
		if _, err := Parse(text); err == nil {
			t.Errorf("%q was accepted", text)
		}
	}
}

func TestGroups(t *testing.T) {
	t.Parallel()
	e, err := Parse(`isMemberOfAnyGroup("00gA","00gB") or isMemberOfGroup("00gC") or isMemberOfGroupName("D")`)
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"00gA", "00gB", "00gC"}; !slices.Equal(e.Groups(), want) {
		t.Errorf("got %v, want %v", e.Groups(), want)
	}
}

// FuzzParse parses anything, as a rule and as a filter of events: what is accepted can be
// evaluated, and means the same in parentheses and the opposite behind a not.
func FuzzParse(f *testing.F) {
	for _, s := range []string{
		`user.a=="b"`, `isMemberOfAnyGroup("00gX")`, `!(true)`, `Arrays.contains({"a"},"b")`, `user.`, `user.a == `, `"a`, `((((`, `!!!!true`,
		`String.substring(user.firstName, 1, 99)`, `String.substring("abc", -1, 2) == "a"`, `String.len(user.missing) > 1`, `1.2.3 > user.level`,
		`user.level >= 99999999999999999999999999`, `Arrays.size({}) == 0`, `{"a"`, `true ? false : true`, `user.a eq 'b' and not user.c`, `isMemberOfGroupNameRegex("(")`,
		`event.target.?[type eq 'UserGroup'].size()>0`, `event.target.?[`, `event.outcome.result eq "x"`, `event.target.?[event.target.?[id eq 'x'].size()>0].size()>0`,
		strings.Repeat("(", 100) + "true" + strings.Repeat(")", 100), strings.Repeat("!", 1000) + "true", strings.Repeat(`String.append("a",`, 100),
		"user.\xff == 1", "user.a == \"\x00\"",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if filter, err := ParseEvent(text); err == nil {
			filter.Matches(bob)
		}
		e, err := Parse(text)
		if err != nil {
			return
		}
		got := e.Eval(bob)
		if same, err := Parse("(" + text + ")"); err == nil && same.Eval(bob) != got {
			t.Errorf("%q means something else in parentheses", text)
		}
		if opposite, err := Parse("!(" + text + ")"); err == nil && got && opposite.Eval(bob) {
			t.Errorf("%q holds, and so does its opposite", text)
		}
	})
}
