package main

import (
	"errors"
	"net/smtp"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestOutbox(t *testing.T) {
	t.Parallel()
	o, err := openOutbox(filepath.Join(t.TempDir(), "outbox"))
	if err != nil {
		t.Fatal(err)
	}
	const mail = "From: Imago <imago@example.com>\r\nTo: ada@example.com\r\nSubject: =?utf-8?q?Gruppe_gel=C3=B6scht?=\r\nMIME-Version: 1.0\r\n" +
		"Content-Type: multipart/alternative; boundary=b\r\n\r\n" +
		"--b\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\nFinance =E2=80=93 14 Menschen\r\nCode 123 456\r\n" +
		"--b\r\nContent-Type: text/html; charset=utf-8\r\n\r\n<p>Finance</p>\r\n--b--\r\n"
	if err := smtp.SendMail(o.address(), nil, "imago@example.com", []string{"ada@example.com"}, []byte(mail)); err != nil {
		t.Fatal(err)
	}
	l, found := o.find(0, func(l letter) bool { return strings.Contains(l.text, "Finance – 14 Menschen\n") })
	if !found || l.subject != "Gruppe gelöscht" || l.to != "ada@example.com" || strings.Contains(l.text, "<p>") {
		t.Errorf("found %t: %+v", found, l)
	}
	if code := codes.FindString(l.text); code != "123 456" {
		t.Errorf("the code is %q", code)
	}
	if text, err := os.ReadFile(l.file); err != nil || string(text) != mail {
		t.Errorf("the mail was kept as %q, %v", text, err)
	}
	if _, found := o.find(1, func(letter) bool { return true }); found || o.count() != 1 {
		t.Errorf("there is a second mail")
	}
	if err := o.close(); err != nil {
		t.Error(err)
	}
}

// TestResetDeletesOnlyWhatTheDemoMade: --data of somebody's home must not cost them it.
func TestResetDeletesOnlyWhatTheDemoMade(t *testing.T) {
	t.Parallel()
	mine, theirs := filepath.Join(t.TempDir(), "demo"), t.TempDir()
	if err := reset(mine); err != nil {
		t.Errorf("nothing is there: %v", err)
	}
	if err := prepare(mine); err != nil {
		t.Fatal(err)
	}
	if err := reset(mine); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(mine); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("it is still there: %v", err)
	}
	if err := reset(theirs); err == nil || !strings.Contains(err.Error(), "was not made by the demo") {
		t.Errorf("reset: %v", err)
	}
	if _, err := os.Stat(theirs); err != nil {
		t.Errorf("it is gone: %v", err)
	}
	if err := os.WriteFile(filepath.Join(theirs, "thesis"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := prepare(theirs); err == nil || !strings.Contains(err.Error(), "is in use for something else") {
		t.Errorf("prepare takes somebody's folder: %v", err)
	}
}

func TestQuoteAll(t *testing.T) {
	t.Parallel()
	got := quoteAll([]string{"schedule", "--cron", "0 2 * * *", "it's"})
	if want := `schedule --cron '0 2 * * *' 'it'\''s'`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// TestAwait ends when the condition holds, when it fails, and when patience ends.
func TestAwait(t *testing.T) {
	t.Parallel()
	looks := 0
	err := await(t.Context(), "it", time.Minute, func() (bool, error) { looks++; return looks == 2, nil })
	if err != nil || looks != 2 {
		t.Errorf("%d looks, %v", looks, err)
	}
	broken := errors.New("broken")
	if err := await(t.Context(), "it", time.Minute, func() (bool, error) { return false, broken }); !errors.Is(err, broken) {
		t.Errorf("await: %v", err)
	}
	err = await(t.Context(), "the mail arrives", time.Millisecond, func() (bool, error) { return false, nil })
	if err == nil || !strings.Contains(err.Error(), "the mail arrives: not within 1ms") {
		t.Errorf("await: %v", err)
	}
}
