package fault

import "strings"

// pattern is a path with *, or a template.
type pattern struct {
	// pieces stand between the stars.
	pieces   []string
	template bool
}

func parsePattern(path string) pattern {
	if path == "" {
		path = "*"
	}
	template := strings.Contains(path, "{")
	if template {
		path = Nameless(path)
	}
	return pattern{pieces: strings.Split(path, "*"), template: template}
}

// matches says whether the pattern fits the request's path or, if it is a template, the
// template that serves the request, "" for none.
func (p pattern) matches(path, template string) bool {
	if p.template {
		path = Nameless(template)
	}
	first, last := p.pieces[0], p.pieces[len(p.pieces)-1]
	if len(p.pieces) == 1 {
		return path == first
	}
	rest, ok := strings.CutPrefix(path, first)
	if !ok {
		return false
	}
	for _, piece := range p.pieces[1 : len(p.pieces)-1] {
		_, rest, ok = strings.Cut(rest, piece)
		if !ok {
			return false
		}
	}
	return strings.HasSuffix(rest, last)
}

// Nameless replaces the names of a template's variables by {}.
func Nameless(template string) string {
	parts := strings.Split(template, "/")
	for i, part := range parts {
		if _, rest, ok := strings.Cut(part, "}"); ok && strings.HasPrefix(part, "{") {
			parts[i] = "{}" + rest
		}
	}
	return strings.Join(parts, "/")
}
