package repository_test

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"

	"imago/pkg/blob/mem"
	"imago/pkg/repository"
	"imago/pkg/resource"
)

// TestRecordings sends what an org really answered through a snapshot and back.
// IMAGO_OKTA_RECORDINGS names a file of recorded interactions, one JSON object a
// line ({"method":…,"status":…,"template":…,"response":…}), plain or zstd.
func TestRecordings(t *testing.T) {
	t.Parallel()
	path := os.Getenv("IMAGO_OKTA_RECORDINGS")
	if path == "" {
		t.Skip("IMAGO_OKTA_RECORDINGS names no file of recordings")
	}
	r := repo(t, mem.New(mem.Options{}), keyring(t, alice), conn, repository.Options{})
	d := begin(t, r)
	want := map[resource.Key]string{}
	err := recordings(path, func(template string, body json.RawMessage) error {
		key := resource.Key{Type: "recorded", Parent: strings.Trim(template, "/"), ID: fmt.Sprintf("%06d", len(want))}
		canonical, err := resource.Canonical(nil, body)
		if err != nil {
			return fmt.Errorf("%s: %w", key, err)
		}
		want[key] = string(canonical)
		return d.Add(t.Context(), resource.Resource{Key: key, Body: canonical})
	})
	if err != nil {
		t.Fatal(err)
	}
	commit(t, d)
	s, err := r.Open(t.Context(), d.Prefix())
	if err != nil {
		t.Fatal(err)
	}
	got := 0
	for res, err := range s.Walk(t.Context(), "recorded") {
		if err != nil {
			t.Fatal(err)
		}
		if got++; string(res.Body) != want[res.Key] {
			t.Errorf("%s came back otherwise", res.Key)
		}
	}
	if got != len(want) || got < 1000 {
		t.Errorf("%d bodies came back of %d", got, len(want))
	}
	if report := check(t, r); len(report.Damage) != 0 {
		t.Errorf("%+v", report.Damage)
	}
	m := s.Manifest()
	t.Logf("%d bodies in %d segments, %d bytes sealed", got, len(m.Segments), m.Bytes())
}

// recordings hands out the body of every GET that succeeded.
func recordings(path string, each func(template string, body json.RawMessage) error) (err error) {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	var in io.Reader = bufio.NewReaderSize(f, 1<<20)
	if strings.HasSuffix(path, ".zst") {
		unpacked, err := zstd.NewReader(in, zstd.WithDecoderMaxWindow(1<<27))
		if err != nil {
			return err
		}
		defer unpacked.Close()
		in = unpacked
	}
	for dec := json.NewDecoder(in); ; {
		var c struct {
			Method, Template string
			Status           int
			Response         json.RawMessage
		}
		if err := dec.Decode(&c); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
		if c.Method != "GET" || c.Status/100 != 2 || len(c.Response) == 0 {
			continue
		}
		if err := each(c.Template, c.Response); err != nil {
			return err
		}
	}
}
