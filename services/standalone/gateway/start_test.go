package gateway

import (
	"net"
	"os"
	"testing"
)

// TestGivesBackWhatItTook: what Start took is given back, also when it fails.
func TestGivesBackWhatItTook(t *testing.T) {
	before := t.TempDir()
	t.Chdir(before)
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	dir, stderr := t.TempDir(), os.Stderr
	if err := Make(dir, Options{}); err != nil {
		t.Fatal(err)
	}
	if s, err := Start(t.Context(), dir, Options{Port: taken.Addr().(*net.TCPAddr).Port}); err == nil {
		t.Error("started on a port that is taken", s.Close())
	}
	if err := taken.Close(); err != nil {
		t.Fatal(err)
	}
	s, err := Start(t.Context(), dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if os.Stderr != stderr {
		t.Error("stderr is another one")
	}
	if after, err := os.Getwd(); err != nil || after != before {
		t.Errorf("in %s, was in %s, %v", after, before, err)
	}
}
