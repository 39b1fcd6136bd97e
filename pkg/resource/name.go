package resource

import (
	"slices"
	"strings"

	"golang.org/x/text/cases"
)

// Names are the fields of which each holds a name that tells an object of the type from
// others: of its natural key, where there is a label what that shows. Links have none.
func (i Info) Names() []Path {
	if i.Shape != Collection {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(i.NaturalKey), func(p Path) bool {
		first, _ := p.step()
		shown := len(i.Label) == 0 || slices.Contains(i.Label, p)
		return !shown || !p.Plain() || slices.Contains(i.Moving, first)
	})
}

// Plain reports whether the path leads to one place at most, and to the same for every reader:
// it is keys alone, without brackets or what JSON escapes.
func (p Path) Plain() bool {
	return !slices.ContainsFunc(strings.Split(string(p), "."), func(key string) bool {
		return key == "" || key == "*" || strings.ContainsFunc(key, odd)
	})
}

func odd(r rune) bool { return r < ' ' || strings.ContainsRune(`[]"\`, r) }

// Called are the names that a body has at the paths, folded, each once.
func Called(body []byte, paths []Path) (out []string, err error) {
	for _, p := range paths {
		name, err := p.Text(body)
		if err != nil {
			return nil, err
		}
		if name = Fold(name); name != "" && !slices.Contains(out, name) {
			out = append(out, name)
		}
	}
	return out, nil
}

// Fold gives the form that names have in common which differ by nothing but case: Unicode's
// full case folding (CaseFolding.txt of Unicode 15.0, C and F).
func Fold(name string) string {
	for i := 0; i < len(name); i++ {
		if name[i] >= 0x80 {
			return strings.Map(cherokee, cases.Fold().String(name))
		}
	}
	return strings.ToLower(name)
}

// cherokee folds small letters into capital ones: of this script alone Unicode does so, and
// package cases makes either out of the other.
func cherokee(r rune) rune {
	switch {
	case 0x13f8 <= r && r <= 0x13fd:
		return r - 0x13f8 + 0x13f0
	case 0xab70 <= r && r <= 0xabbf:
		return r - 0xab70 + 0x13a0
	}
	return r
}
