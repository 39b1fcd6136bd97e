package org

import "testing"

// TestKindEntries finds faults of entries that the compiler cannot see.
func TestKindEntries(t *testing.T) {
	t.Parallel()
	paths, names := map[string]string{}, map[string]bool{}
	for _, k := range Kinds() {
		for _, p := range k.problems() {
			t.Error(p)
		}
		path := anonymous(k.Path)
		if names[k.Name] || paths[path] != "" {
			t.Errorf("%s: the name or the path is that of another kind (%s)", k.Name, paths[path])
		}
		names[k.Name], paths[path] = true, k.Name
	}
}
