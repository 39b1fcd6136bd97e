package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"imago/services/oktasim/internal/replay"
)

// Small recordings of our own: one that the simulator matches and one that it does not.
const (
	recorded      = "internal/replay/testdata/life.jsonl"
	recordedBadly = "internal/replay/testdata/two.jsonl"
)

func TestUsage(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		args           []string
		code           int
		stdout, stderr string
	}{
		{nil, exitUsage, "", "Usage:"},
		{[]string{"help"}, exitDone, "Usage:", ""},
		{[]string{"serve", "--help"}, exitDone, "Usage:", ""},
		{[]string{"replay", "-h"}, exitDone, "Usage:", ""},
		{[]string{"serve", "--url", "acme.okta.example"}, exitUsage, "", "--url"},
		{[]string{"serve", "--seed", "main.go"}, exitError, "", "seed plan"},
		{[]string{"dance"}, exitUsage, "", "unknown command"},
		{[]string{"serve", "--engine", "steam"}, exitUsage, "", "--engine"},
		{[]string{"serve", "--rate-plan", "none", "--rate-multiplier", "0"}, exitUsage, "", "--rate-multiplier"},
		{[]string{"serve", "--listen", "here"}, exitUsage, "", "--listen"},
		{[]string{"serve", "--https", "here", "--authority-file", "x"}, exitUsage, "", "--https"},
		{[]string{"serve", "--https", "127.0.0.1:0"}, exitUsage, "", "--authority-file"},
		{[]string{"serve", "--https", "127.0.0.1:0", "--authority-file", "/does/not/exist"}, exitError, "", "/does/not/exist"},
		{[]string{"serve", "now"}, exitUsage, "", "now"},
		{[]string{"serve", "--seed", "/does/not/exist"}, exitError, "", "seed plan"},
		{[]string{"serve", "--listen", "256.0.0.1:0"}, exitError, "", "listen for the org"},
		{[]string{"replay"}, exitUsage, "", "needs a file"},
		{[]string{"replay", "x", "--min-runs", "101"}, exitUsage, "", "--min-runs 101"},
		{[]string{"replay", "x", "--failures", "-1"}, exitUsage, "", "--failures"},
		{[]string{"replay", "/does/not/exist"}, exitError, "", "/does/not/exist"},
		{[]string{"replay", recorded, "--exclude", "main.go"}, exitError, "", "main.go: line 1"},
		{[]string{"replay", recorded}, exitDone, "whole runs: 1 of 1, 100.00 %", ""},
		{[]string{"replay", "--json", recorded}, exitDone, `"whole":1`, ""},
		{[]string{"replay", "--only", "/api/v1/groups/{", recorded}, exitDone, "excluded steps: 0 of 5", ""},
		{[]string{"replay", "--failures", "3", recordedBadly}, exitBelow, "Nobody wrote this", "whole runs 50.00 % is below 75 %"},
		{[]string{"replay", "--min-runs", "50", "--min-shape", "1", "--min-values", "1", "--min-status", "1", "--min-codes", "0", "--exclude", os.DevNull, recordedBadly},
			exitDone, "whole runs: 1 of 2", ""},
	} {
		var out, errs bytes.Buffer
		if code := run(t.Context(), c.args, &out, &errs); code != c.code {
			t.Errorf("%v: got %d, want %d", c.args, code, c.code)
		}
		if !strings.Contains(out.String(), c.stdout) || !strings.Contains(errs.String(), c.stderr) {
			t.Errorf("%v: stdout %q, stderr %q", c.args, out.String(), errs.String())
		}
	}
}

func TestOriginsHaveNoPortOfTheirScheme(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		scheme, ip string
		port       int
		want       string
	}{
		{"https", "127.0.0.5", 443, "https://127.0.0.5"},
		{"https", "::1", 443, "https://[::1]"},
		{"https", "127.0.0.5", 8443, "https://127.0.0.5:8443"},
		{"https", "127.0.0.1", 80, "https://127.0.0.1:80"},
		{"http", "127.0.0.1", 80, "http://127.0.0.1"},
	} {
		if got := origin(c.scheme, &net.TCPAddr{IP: net.ParseIP(c.ip), Port: c.port}); got != c.want {
			t.Errorf("got %s, want %s", got, c.want)
		}
	}
}

// running is a program that has said it is ready.
type running struct {
	*testing.T
	line readyLine
	stop func() int
}

// runUntilReady starts serve and waits for its line.
func runUntilReady(t *testing.T, args ...string) running {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	r, w := io.Pipe()
	code := make(chan int, 1)
	var errs bytes.Buffer
	go func() { code <- run(ctx, append([]string{"serve"}, args...), w, &errs) }()
	s := running{T: t, stop: func() int { cancel(); return <-code }}
	if err := json.NewDecoder(r).Decode(&s.line); err != nil {
		t.Fatalf("%v: %s", err, errs.String())
	}
	return s
}

func (s running) request(method, url, body string, header ...string) (int, []byte) {
	s.Helper()
	r, err := http.NewRequest(method, url, strings.NewReader(body))
	if err != nil {
		s.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	if len(header) == 2 {
		r.Header.Set(header[0], header[1])
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		s.Fatal(err)
	}
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		s.Fatal(err)
	}
	if err := resp.Body.Close(); err != nil {
		s.Fatal(err)
	}
	return resp.StatusCode, b
}

func TestSecondRunGoesOnWithTheFirstOnesOrg(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	state, ready := filepath.Join(dir, "state.json"), filepath.Join(dir, "ready.json")
	first := runUntilReady(t, "--seed", "demo", "--state", state, "--ready-file", ready)
	b, err := os.ReadFile(ready)
	if err != nil {
		t.Fatal(err)
	}
	var fromFile readyLine
	if err := json.Unmarshal(b, &fromFile); err != nil || fromFile != first.line || first.line.Type != "ready" {
		t.Errorf("ready file %s, line %+v, %v", b, first.line, err)
	}
	_, b = first.request("POST", first.line.Control+"/control/v1/api-tokens", `{"login":"ada.moreno@acme-robotics.example"}`)
	var token struct{ Token string }
	if err := json.Unmarshal(b, &token); err != nil {
		t.Fatal(err)
	}
	auth := []string{"Authorization", "SSWS " + token.Token}
	_, groups := first.request("GET", first.line.URL+"/api/v1/groups?q=Finance", "", auth...)
	if code := first.stop(); code != exitDone {
		t.Fatalf("the first run ended with %d", code)
	}
	second := runUntilReady(t, "--seed", "demo", "--state", state)
	status, again := second.request("GET", second.line.URL+"/api/v1/groups?q=Finance", "", auth...)
	if status != 200 || strings.ReplaceAll(string(again), second.line.URL, first.line.URL) != string(groups) {
		t.Errorf("the second run has another org: %d %s", status, again)
	}
	if code := second.stop(); code != exitDone {
		t.Errorf("the second run ended with %d", code)
	}
}

func TestServeWritesDownWhatReplayReads(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "record.jsonl")
	s := runUntilReady(t, "--seed", "demo", "--record", file)
	_, b := s.request("POST", s.line.Control+"/control/v1/api-tokens", `{"login":"ada.moreno@acme-robotics.example"}`)
	var token struct{ Token string }
	if err := json.Unmarshal(b, &token); err != nil {
		t.Fatal(err)
	}
	s.request("POST", s.line.URL+"/api/v1/groups", `{"profile":{"name":"Recorded"}}`, "Authorization", "SSWS "+token.Token)
	if code := s.stop(); code != exitDone {
		t.Fatalf("the run ended with %d", code)
	}
	runs, err := replay.Load(file)
	if err != nil || len(runs) != 1 || len(runs[0].Steps) != 1 || runs[0].Steps[0].Path != "/api/v1/groups" || runs[0].Steps[0].Status != 200 {
		t.Errorf("got %v, %v", runs, err)
	}
	var out, errs bytes.Buffer
	if code := run(t.Context(), []string{"serve", "--record", t.TempDir()}, &out, &errs); code != exitError {
		t.Errorf("a folder was taken for a file: %d", code)
	}
}

// TestOrgsAreKept ends a run with two orgs besides the default one, of which one is
// ended before the next run.
func TestOrgsAreKept(t *testing.T) {
	t.Parallel()
	state := filepath.Join(t.TempDir(), "state.json")
	first := runUntilReady(t, "--state", state)
	control := first.line.Control + "/control/v1"
	for _, name := range []string{"one", "two"} {
		if status, b := first.request("POST", control+"/orgs", `{"name":"`+name+`","engine":"classic"}`); status != 200 {
			t.Fatalf("got %d %s", status, b)
		}
	}
	first.request("POST", control+"/orgs/one/admins", `{"login":"eve@one.example"}`)
	if code := first.stop(); code != exitDone {
		t.Fatalf("the first run ended with %d", code)
	}
	second := runUntilReady(t, "--state", state)
	control = second.line.Control + "/control/v1"
	if _, b := second.request("GET", control+"/orgs/one/org", ""); !bytes.Contains(b, []byte(`"engine":"classic"`)) || !bytes.Contains(b, []byte(`"users":1`)) ||
		!bytes.Contains(b, []byte(second.line.URL+"/orgs/one")) {
		t.Errorf("the org has become %s", b)
	}
	second.request("DELETE", control+"/orgs/two", "")
	if code := second.stop(); code != exitDone {
		t.Fatalf("the second run ended with %d", code)
	}
	if files, err := filepath.Glob(state + "*"); err != nil || len(files) != 2 {
		t.Errorf("left are %v, %v", files, err)
	}
}

func TestBrokenStateIsNotOverwritten(t *testing.T) {
	t.Parallel()
	state := filepath.Join(t.TempDir(), "state.json")
	if err := os.WriteFile(state, []byte("{broken"), 0o600); err != nil {
		t.Fatal(err)
	}
	var out, errs bytes.Buffer
	if code := run(t.Context(), []string{"serve", "--state", state}, &out, &errs); code != exitError || !strings.Contains(errs.String(), state) {
		t.Errorf("got %d, %s", code, errs.String())
	}
	if b, err := os.ReadFile(state); err != nil || string(b) != "{broken" {
		t.Errorf("the file became %q, %v", b, err)
	}
}

// TestHTTPSBesideHTTP reaches one org by both ports, the secure one as a client that
// trusts nothing but the authority's file; links name the secure one.
func TestHTTPSBesideHTTP(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "authority.pem")
	s := runUntilReady(t, "--seed", "demo", "--https", "127.0.0.1:0", "--authority-file", file)
	root, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	trusted := x509.NewCertPool()
	if !trusted.AppendCertsFromPEM(root) || strings.Contains(string(root), "PRIVATE") {
		t.Fatalf("the authority's file holds %s", root)
	}
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: trusted, MinVersion: tls.VersionTLS12}}}
	resp, err := client.Get(s.line.HTTPS + "/.well-known/okta-organization")
	if err != nil {
		t.Fatal(err)
	}
	secure, err := io.ReadAll(resp.Body)
	if err := errors.Join(err, resp.Body.Close()); err != nil {
		t.Fatal(err)
	}
	_, plain := s.request("GET", s.line.HTTP+"/.well-known/okta-organization", "")
	if !bytes.Equal(secure, plain) || !strings.Contains(string(plain), `"href":"`+s.line.HTTPS+`"`) || s.line.URL != s.line.HTTPS {
		t.Errorf("by HTTPS %s, by HTTP %s, ready line %+v", secure, plain, s.line)
	}
	if code := s.stop(); code != exitDone {
		t.Errorf("ended with %d", code)
	}
}
