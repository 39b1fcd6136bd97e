package expression

import (
	"encoding/json"
	"slices"
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

func FuzzParse(f *testing.F) {
	for _, s := range []string{`user.a=="b"`, `!(!(true))`, `isMemberOfAnyGroup("x")`, `((((`, `String.append("a",user.b)=="c"`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		e, err := Parse(text)
		if err == nil {
			e.Eval(bob)
		}
	})
}
