package conformance

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
	"gopkg.in/yaml.v3"
)

// Exchange is one request and the simulator's answer, as package record writes it.
type Exchange struct {
	Test, Method, Path string
	Status             int
	Response           any
	Type               string
}

// Violation is a place at which an answer is not what the description says.
type Violation struct {
	Method, Template string
	// Pointer is the place in the body, with [] for any index; lists of the template's
	// objects have the pointers of the objects. "" is the answer as a whole.
	Pointer string
	// What is the rule that is broken: null, type, required, enum, pattern, status 201, …
	What string
	// Detail is for people.
	Detail string
}

func (v Violation) String() string {
	return fmt.Sprintf("%s %s %s %s: %s", v.Method, v.Template, v.Pointer, v.What, v.Detail)
}

// Spec is Okta's published description of its management API.
type Spec struct{ paths []path }

type path struct {
	template string
	parts    []string
	item     *openapi3.PathItem
}

// module is Okta's SDK for Go, in which it publishes the description.
const module = "github.com/okta/okta-sdk-golang/v6"

// LoadSpec reads the description from the module cache, into which it is downloaded if
// need be.
func LoadSpec() (*Spec, error) {
	out, err := exec.Command("go", "mod", "download", "-json", module).Output()
	if err != nil {
		return nil, fmt.Errorf("download %s: %w", module, err)
	}
	var downloaded struct{ Dir string }
	if err := json.Unmarshal(out, &downloaded); err != nil {
		return nil, fmt.Errorf("download %s: %w", module, err)
	}
	b, err := os.ReadFile(filepath.Join(downloaded.Dir, "okta", "api", "openapi.yaml"))
	if err != nil {
		return nil, fmt.Errorf("read Okta's description: %w", err)
	}
	return parseSpec(b)
}

// parseSpec leaves out examples, some of which refer to what is not there.
func parseSpec(b []byte) (*Spec, error) {
	var tree any
	if err := yaml.Unmarshal(b, &tree); err != nil {
		return nil, fmt.Errorf("parse Okta's description: %w", err)
	}
	dropExamples(tree)
	b, err := json.Marshal(tree)
	if err != nil {
		return nil, fmt.Errorf("parse Okta's description: %w", err)
	}
	d, err := openapi3.NewLoader().LoadFromData(b)
	if err != nil {
		return nil, fmt.Errorf("parse Okta's description: %w", err)
	}
	s := &Spec{}
	for template, item := range d.Paths.Map() {
		s.paths = append(s.paths, path{template, strings.Split(template, "/"), item})
	}
	// A fixed segment is a better match than a variable in its place.
	slices.SortFunc(s.paths, func(a, b path) int {
		return strings.Compare(strings.ReplaceAll(a.template, "{", "~"), strings.ReplaceAll(b.template, "{", "~"))
	})
	return s, nil
}

func dropExamples(v any) {
	switch v := v.(type) {
	case map[string]any:
		if _, ok := v["schema"]; ok {
			delete(v, "examples")
		}
		for _, x := range v {
			dropExamples(x)
		}
	case []any:
		for _, x := range v {
			dropExamples(x)
		}
	}
}

// find returns the first path that fits, fixed segments before variables.
func (s *Spec) find(p string) (path, bool) {
	parts := strings.Split(p, "/")
	for _, c := range s.paths {
		if c.fits(parts) {
			return c, true
		}
	}
	return path{}, false
}

func (p path) fits(parts []string) bool {
	return slices.EqualFunc(p.parts, parts, func(want, got string) bool {
		return want == got || strings.HasPrefix(want, "{") && got != ""
	})
}

// Check compares an answer with the description; known is false for what that does not
// tell of: paths, methods, and errors of which it has none.
func (s *Spec) Check(e Exchange) (found []Violation, known bool) {
	p, ok := s.find(e.Path)
	if !ok {
		return nil, false
	}
	op := p.item.GetOperation(e.Method)
	if op == nil {
		return nil, false
	}
	answer := op.Responses.Status(e.Status)
	if answer == nil {
		if e.Status >= 400 {
			return nil, false
		}
		return []Violation{{e.Method, p.template, "", fmt.Sprintf("status %d", e.Status), "it is not described"}}, true
	}
	return p.checkBody(e, answer.Value), true
}

func (p path) checkBody(e Exchange, answer *openapi3.Response) []Violation {
	if len(answer.Content) == 0 && !empty(e.Response) {
		return []Violation{{e.Method, p.template, "", "body", fmt.Sprintf("%d has none", e.Status)}}
	}
	content := answer.Content.Get("application/json")
	if content == nil || content.Schema == nil || e.Type != "" && !strings.HasPrefix(e.Type, "application/json") {
		return nil
	}
	if e.Response == nil {
		return []Violation{{e.Method, p.template, "", "body", fmt.Sprintf("%d has one", e.Status)}}
	}
	err := content.Schema.Value.VisitJSON(e.Response, openapi3.MultiErrors(), openapi3.VisitAsResponse(), openapi3.EnableFormatValidation())
	return p.violations(e, err)
}

func empty(body any) bool {
	m, ok := body.(map[string]any)
	return body == nil || ok && len(m) == 0
}

// violations takes the errors of one answer apart.
func (p path) violations(e Exchange, err error) []Violation {
	if err == nil {
		return nil
	}
	var many openapi3.MultiError
	if errors.As(err, &many) {
		var out []Violation
		for _, x := range many {
			out = append(out, p.violations(e, x)...)
		}
		return out
	}
	v := Violation{Method: e.Method, Template: p.template, What: "broken", Detail: err.Error()}
	var s *openapi3.SchemaError
	if errors.As(err, &s) {
		v.Pointer, v.What, v.Detail = pointer(s.JSONPointer()), s.SchemaField, s.Reason+": "+short(s.Value)
		if s.SchemaField == "nullable" {
			v.What = "null"
		}
	}
	return []Violation{v}
}

var index = regexp.MustCompile(`^\d+$`)

func pointer(parts []string) string {
	out := ""
	for i, p := range parts {
		switch {
		case !index.MatchString(p):
			out += "/" + p
		case i > 0:
			out += "/[]"
		}
	}
	return out
}

func short(v any) string {
	var b bytes.Buffer
	if err := json.NewEncoder(&b).Encode(v); err != nil {
		return err.Error()
	}
	return strings.TrimSpace(string(b.Bytes()[:min(b.Len(), 120)]))
}
