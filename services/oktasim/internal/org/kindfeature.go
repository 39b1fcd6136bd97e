package org

import (
	"slices"
	"strings"

	"imago/services/oktasim/internal/doc"
)

// Licence is a feature that objects of a certain form need.
type Licence struct {
	Feature string
	When    Condition
}

// featureAt names the licence for the lack of which a request to the path with the body
// is refused; "" is none that any kind knows.
func featureAt(path string, body doc.Doc) string {
	for _, p := range []string{path, path + "/any"} {
		k, _ := kindTable().at(p)
		if k == nil {
			continue
		}
		for _, l := range k.Licences {
			if l.When.Holds(body) {
				return l.Feature
			}
		}
		return k.Feature
	}
	return ""
}

// kindFeatures are the features that show in answers of kinds.
func kindFeatures() []Feature {
	var all []Feature
	for _, k := range Kinds() {
		in := []string{anonymous(k.Collection()), anonymous(k.Path)}
		for _, f := range k.Fields {
			if f.Feature != "" {
				above, _, _ := cutLast(f.Path)
				all = append(all, Feature{Name: f.Feature, In: in, Fields: []string{f.Path}, Of: above})
			}
		}
		for _, l := range k.Links {
			if l.Feature != "" {
				all = append(all, Feature{Name: l.Feature, In: in, Fields: []string{"_links." + l.Name}, Of: "_links"})
			}
		}
	}
	return all
}

// cutLast splits a path before its last part.
func cutLast(path string) (above, last string, nested bool) {
	i := strings.LastIndex(path, ".")
	if i < 0 {
		return "", path, false
	}
	return path[:i], path[i+1:], true
}

// FeatureNames lists every feature that an org may have or lack.
func FeatureNames() []string {
	names := map[string]bool{}
	for _, f := range slices.Concat(features(), kindFeatures()) {
		names[f.Name] = true
	}
	for _, k := range Kinds() {
		names[k.Feature] = true
		for _, l := range k.Licences {
			names[l.Feature] = true
		}
	}
	delete(names, "")
	return sortedKeys(names)
}
