package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"imago/pkg/notify/sample"
)

func TestEveryMailIsWritten(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "mails")
	if err := write(dir); err != nil {
		t.Fatal(err)
	}
	index, err := os.ReadFile(filepath.Join(dir, "index.html"))
	if err != nil {
		t.Fatal(err)
	}
	for name := range sample.Mails() {
		for _, ending := range []string{".txt", ".html"} {
			if body, err := os.ReadFile(filepath.Join(dir, name+ending)); err != nil || len(body) < 200 {
				t.Errorf("%s%s: %d bytes, %v", name, ending, len(body), err)
			}
			if !strings.Contains(string(index), `href="`+name+ending+`"`) {
				t.Errorf("the page lacks %s%s", name, ending)
			}
		}
	}
}
