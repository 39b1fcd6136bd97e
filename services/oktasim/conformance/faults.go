package conformance

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
)

// Fault is a place at which Okta's description does not say what Okta answers.
type Fault struct {
	Line int
	// Why is R, recorded, D, documented elsewhere, or A, an assumption.
	Why                     string
	template, pointer, what *regexp.Regexp
}

// Covers says whether the violation is the description's fault.
func (f Fault) Covers(v Violation) bool {
	return f.template.MatchString(v.Method+" "+v.Template) && f.pointer.MatchString(v.Pointer+"/") && f.what.MatchString(v.What)
}

// ParseFaults reads lines of why, method, template, pointer and what, where * stands for
// anything and the pointer - for the answer as a whole. An error names the line.
func ParseFaults(r io.Reader) ([]Fault, error) {
	var out []Fault
	var errs []error
	lines := bufio.NewScanner(r)
	for n := 1; lines.Scan(); n++ {
		text, _, _ := strings.Cut(lines.Text(), "#")
		words := strings.Fields(text)
		if len(words) == 0 {
			continue
		}
		if len(words) < 5 || !strings.Contains("RDA", words[0]) {
			errs = append(errs, fmt.Errorf("line %d: want why, method, template, pointer and what", n))
			continue
		}
		out = append(out, Fault{
			Line: n, Why: words[0], template: glob(words[1] + " " + words[2]), pointer: glob(strings.TrimPrefix(words[3], "-") + "/"), what: glob(strings.Join(words[4:], " ")),
		})
	}
	return out, errors.Join(append(errs, lines.Err())...)
}

func glob(pattern string) *regexp.Regexp {
	return regexp.MustCompile("^" + strings.ReplaceAll(regexp.QuoteMeta(pattern), `\*`, ".*") + "$")
}
