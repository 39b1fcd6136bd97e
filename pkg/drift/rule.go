package drift

import (
	_ "embed"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/google/cel-go/cel"
	"gopkg.in/yaml.v3"

	"imago/pkg/resource"
)

// Rule says which changes somebody should hear about. It is data.
type Rule struct {
	Name     string   `yaml:"name"`  // stable: findings are stored under it
	Title    string   `yaml:"title"` // "Group deleted"
	Severity Severity `yaml:"severity"`
	// Types are resource types, or patterns of them: "policy_*_rule".
	Types []string `yaml:"types"`
	// ParentHas limits the rule to what the log says was made below a parent that has
	// something of this type, too: who joins a group with admin roles. Such things are
	// not read, as there are many, and the log names them whole.
	ParentHas resource.Type `yaml:"parent_has"`
	// When is a CEL expression over change, before, after and fields; language.go
	// has the functions. It must be a bool.
	When string `yaml:"when"`
	// Sentence is for a person. {label}, {parent} and {type} are replaced.
	Sentence string `yaml:"sentence"`
}

//go:embed rules.yaml
var standard []byte

// Standard are the rules that Imago comes with.
func Standard() (*Rules, error) { return Parse(standard) }

// Parse reads rules from YAML, a list of Rule.
func Parse(text []byte) (*Rules, error) {
	var rules []Rule
	dec := yaml.NewDecoder(strings.NewReader(string(text)))
	dec.KnownFields(true)
	if err := dec.Decode(&rules); err != nil {
		return nil, fmt.Errorf("read the rules: %w", err)
	}
	return Compile(rules)
}

// Rules are compiled rules. They are safe for use by many goroutines.
type Rules struct {
	rules []compiled
}

type compiled struct {
	Rule
	program cel.Program
}

// Compile checks rules and makes them ready; the error names every rule that is
// wrong, and how.
func Compile(rules []Rule) (*Rules, error) {
	env, err := language()
	if err != nil {
		return nil, err
	}
	out := &Rules{}
	var wrong error
	seen := map[string]bool{}
	for _, r := range rules {
		program, err := compile(env, r)
		if err == nil && seen[r.Name] {
			err = errors.New("there are two of its name")
		}
		if err != nil {
			wrong = errors.Join(wrong, fmt.Errorf("rule %q: %w", r.Name, err))
		}
		seen[r.Name] = true
		out.rules = append(out.rules, compiled{r, program})
	}
	if wrong != nil {
		return nil, wrong
	}
	return out, nil
}

func compile(env *cel.Env, r Rule) (cel.Program, error) {
	switch {
	case r.Name == "" || r.Title == "" || r.Sentence == "" || len(r.Types) == 0:
		return nil, errors.New("it needs a name, a title, a sentence and types")
	case !slices.Contains([]Severity{Low, Medium, High, Critical}, r.Severity):
		return nil, fmt.Errorf("%q is no severity", r.Severity)
	}
	for _, pattern := range r.Types {
		if _, err := path.Match(pattern, ""); err != nil {
			return nil, fmt.Errorf("types: %w", err)
		}
	}
	ast, issues := env.Compile(r.When)
	if issues.Err() != nil {
		return nil, fmt.Errorf("when: %w", issues.Err())
	}
	if t := ast.OutputType(); t != cel.BoolType && t != cel.DynType {
		return nil, fmt.Errorf("when: it gives a %s, not a bool", t)
	}
	const steps = 100_000 // a rule must not be able to hold the monitor up
	return env.Program(ast, cel.CostLimit(steps))
}

// Wants reports whether any rule is about the type: others need not be read.
func (r *Rules) Wants(t resource.Type) bool {
	return slices.ContainsFunc(r.rules, func(c compiled) bool { return c.ParentHas == "" && c.about(t) })
}

// ParentHas lists what the rules about a type ask of the parents, see Rule.
func (r *Rules) ParentHas(t resource.Type) (has []resource.Type) {
	for _, c := range r.rules {
		if c.ParentHas != "" && c.about(t) && !slices.Contains(has, c.ParentHas) {
			has = append(has, c.ParentHas)
		}
	}
	return has
}

// List gives the rules.
func (r *Rules) List() []Rule {
	out := make([]Rule, len(r.rules))
	for i, c := range r.rules {
		out[i] = c.Rule
	}
	return out
}

func (r Rule) about(t resource.Type) bool {
	return slices.ContainsFunc(r.Types, func(pattern string) bool {
		ok, err := path.Match(pattern, string(t))
		return ok && err == nil // patterns were checked
	})
}
