package replay

import (
	"bufio"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// Exclusion is a rule about steps whose outcome depends on what the recorded org
// happened to hold: METHOD TEMPLATE condition — reason. * stands for any method, and
// in a template for anything. Conditions are joined by "and":
//
//	always           every step of the template
//	status=500       the recorded status
//	code=E0000009    the recorded error code
//	engine=classic   the run's engine
//	query~TEXT       the query contains TEXT; so path~, request~, response~
type Exclusion struct {
	Method, Template, Reason string
	conditions               []condition
}

type condition struct {
	field, value string
	part         bool
}

// ReadExclusions reads one rule a line; # begins a comment. An error names the line.
func ReadExclusions(r io.Reader) ([]Exclusion, error) {
	var all []Exclusion
	lines := bufio.NewScanner(r)
	for n := 1; lines.Scan(); n++ {
		text := strings.TrimSpace(lines.Text())
		if text == "" || strings.HasPrefix(text, "#") {
			continue
		}
		x, err := parseExclusion(text)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
		all = append(all, x)
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("read exclusions: %w", err)
	}
	return all, nil
}

func parseExclusion(text string) (Exclusion, error) {
	rule, reason, ok := strings.Cut(text, "—")
	reason = strings.TrimSpace(reason)
	if !ok || reason == "" {
		return Exclusion{}, fmt.Errorf("no reason: write METHOD TEMPLATE condition — reason")
	}
	words := strings.Fields(rule)
	if len(words) < 3 || !strings.HasPrefix(words[1], "/") && words[1] != "*" {
		return Exclusion{}, fmt.Errorf("write METHOD TEMPLATE condition — reason")
	}
	x := Exclusion{Method: words[0], Template: words[1], Reason: reason}
	for _, part := range strings.Split(strings.Join(words[2:], " "), " and ") {
		c, err := parseCondition(part)
		if err != nil {
			return Exclusion{}, err
		}
		x.conditions = append(x.conditions, c)
	}
	return x, nil
}

func parseCondition(text string) (condition, error) {
	if text == "always" {
		return condition{}, nil
	}
	i := strings.IndexAny(text, "=~")
	if i < 0 {
		return condition{}, fmt.Errorf("condition %q has neither = nor ~", text)
	}
	c := condition{field: text[:i], value: text[i+1:], part: text[i] == '~'}
	known := map[string]bool{"status": false, "code": false, "engine": false, "query": true, "path": true, "request": true, "response": true}
	if part, ok := known[c.field]; !ok || part != c.part || c.value == "" {
		return condition{}, fmt.Errorf("condition %q is none of always, status=, code=, engine=, query~, path~, request~, response~", text)
	}
	return c, nil
}

func (x Exclusion) matches(s *Step, engine string) bool {
	if x.Method != "*" && x.Method != s.Method || !glob(x.Template, s.Template, false) {
		return false
	}
	for _, c := range x.conditions {
		if !c.holds(s, engine) {
			return false
		}
	}
	return true
}

func (c condition) holds(s *Step, engine string) bool {
	switch c.field {
	case "status":
		return strconv.Itoa(s.Status) == c.value
	case "code":
		return strings.Contains(string(s.Response), `"errorCode":"`+c.value+`"`)
	case "engine":
		return engine == c.value
	case "query":
		return strings.Contains(s.Query, c.value)
	case "path":
		return strings.Contains(s.Path, c.value)
	case "request":
		return strings.Contains(string(s.Request), c.value)
	case "response":
		return strings.Contains(string(s.Response), c.value)
	}
	return true
}

// glob matches text against a pattern in which * is anything; prefix lets text go on.
func glob(pattern, text string, prefix bool) bool {
	parts := strings.Split(pattern, "*")
	if !strings.HasPrefix(text, parts[0]) {
		return false
	}
	text = text[len(parts[0]):]
	for i, p := range parts[1:] {
		if i == len(parts)-2 && !prefix {
			return strings.HasSuffix(text, p)
		}
		at := strings.Index(text, p)
		if at < 0 {
			return false
		}
		text = text[at+len(p):]
	}
	return prefix || text == ""
}
