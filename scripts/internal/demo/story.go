package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
	"time"
)

// The group that is deleted and comes back.
const group = "Finance"

// tell plays the seven steps. Each depends on the one before.
func (s *stage) tell(ctx context.Context) error {
	began := time.Now()
	for _, step := range []struct {
		name string
		play func(context.Context) error
	}{
		{"sign in and connect", s.signIn},
		{"take a snapshot", s.takeSnapshot},
		{"delete the group", s.deleteGroup},
		{"notice it", s.notice},
		{"restore it", s.restore},
		{"compare", s.compare},
	} {
		if err := step.play(ctx); err != nil {
			return fmt.Errorf("%s: %w", step.name, err)
		}
	}
	sentence(7, "Done, in "+time.Since(began).Round(100*time.Millisecond).String())
	return s.run(ctx, []int{0, 3}, "status")
}

// run shows a command and wants one of the exit codes.
func (s *stage) run(ctx context.Context, codes []int, args ...string) error {
	r, err := s.imago.perform(ctx, args...)
	return errors.Join(err, r.want(codes))
}

func (r result) want(codes []int) error {
	for _, code := range codes {
		if r.code == code {
			return nil
		}
	}
	return fmt.Errorf("the command ended with exit code %d, not %v", r.code, codes)
}

var (
	done  = []int{0}
	codes = regexp.MustCompile(`\b(\d{6}|\d{3} \d{3})\b`)
)

// signIn signs in by mail, then connects the org unless an earlier run did.
func (s *stage) signIn(ctx context.Context) error {
	sentence(1, "Ada signs in, and connects her Okta org: read-only, by a service app of its own")
	after := s.outbox.count()
	code, typed := io.Pipe()
	failed := make(chan error, 1)
	go func() { failed <- s.typeCode(ctx, after, typed) }()
	r, err := s.imago.showReading(ctx, code, nil, "login", s.ada.name)
	if err := errors.Join(err, r.want(done), code.Close(), <-failed); err != nil {
		return err
	}
	conn, err := s.connection(ctx)
	if err != nil {
		return err
	}
	if conn.State == "ready" {
		fmt.Println("\nThe org was connected by an earlier run.")
		return s.run(ctx, done, "connections", "acme")
	}
	return s.connect(ctx)
}

// typeCode waits for the mail with the code and types it into the command.
func (s *stage) typeCode(ctx context.Context, after int, typed *io.PipeWriter) error {
	l, err := s.mail(ctx, "the code", after, func(l letter) bool { return codes.MatchString(l.text) && l.to == s.ada.name })
	if err != nil {
		return errors.Join(err, typed.Close())
	}
	l.show()
	code := codes.FindString(l.text)
	fmt.Printf("\nCode: %s\n", code)
	_, err = io.WriteString(typed, code+"\n")
	if errors.Is(err, io.ErrClosedPipe) { // the command has gone: its exit code says why
		err = nil
	}
	return errors.Join(err, typed.Close())
}

// connection is what `imago connections --json` says.
type connection struct {
	ID          string       `json:"id"`
	State       string       `json:"state"`
	Credentials []credential `json:"credentials"`
}

func (c connection) credential(purpose string) credential {
	for _, cred := range c.Credentials {
		if cred.Purpose == purpose {
			return cred
		}
	}
	return credential{}
}

func (s *stage) connection(ctx context.Context) (c connection, err error) {
	err = s.imago.ask(ctx, func(line []byte) error { return json.Unmarshal(line, &c) }, "connections")
	return c, err
}

// connect plays both sides: Imago says what it needs, Ada makes it in Okta.
func (s *stage) connect(ctx context.Context) error {
	if err := s.run(ctx, done, "connect", s.org, "--name", "acme", "--follow", "2s"); err != nil {
		return err
	}
	conn, err := s.connection(ctx)
	if err != nil {
		return err
	}
	fmt.Println("\nAda does that in Okta:")
	read := conn.credential("read")
	id, err := s.ada.serviceApp(ctx, "Imago (reads)", read.AdminRole, read)
	if err != nil {
		return err
	}
	if err := s.run(ctx, done, "connect", "acme", "--client-id", id); err != nil {
		return err
	}
	fmt.Println("\nA second service app, which stays deactivated until a restore is approved:")
	write := conn.credential("write")
	if id, err = s.ada.serviceApp(ctx, "Imago (restores)", write.AdminRole, write); err != nil {
		return err
	}
	if err := s.ada.switchApp(ctx, id, "deactivate"); err != nil {
		return err
	}
	return s.run(ctx, done, "connect", "acme", "--write", "--client-id", id)
}

// takeSnapshot takes a snapshot and looks into it. A simulated org may lack features,
// which the snapshot says as gaps.
func (s *stage) takeSnapshot(ctx context.Context) error {
	sentence(2, "A snapshot: types, counts, size, calls, gaps")
	if err := s.run(ctx, []int{0, 3}, "snapshot"); err != nil {
		return err
	}
	return s.run(ctx, done, "browse", "group:"+group)
}

// deleteGroup is what another administrator does, without knowing of Imago.
func (s *stage) deleteGroup(ctx context.Context) error {
	sentence(3, "Robin, another administrator, deletes the group "+group+" in Okta")
	id, err := s.robin.group(ctx, group)
	if err != nil {
		return err
	}
	n, err := s.robin.members(ctx, id)
	if err != nil {
		return err
	}
	fmt.Printf("\n%s (%s) has %d members.\n", group, id, n)
	s.deleted = id
	return s.robin.call(ctx, "DELETE", "/api/v1/groups/"+id, nil, nil)
}

// notice waits for the alert, which must name the group and who deleted it.
func (s *stage) notice(ctx context.Context) error {
	sentence(4, "The drift monitor has seen it: what, who, when, from where")
	began, after := time.Now(), s.outbox.count()
	l, err := s.mail(ctx, "the alert", max(0, after-1), func(l letter) bool {
		return strings.Contains(l.text, group) && strings.Contains(l.text, s.robin.name) && strings.Contains(l.text, s.robin.ip)
	})
	if err != nil {
		return err
	}
	l.show()
	fmt.Printf("\nThe mail arrived %s after the deletion.\n", time.Since(began).Round(100*time.Millisecond))
	id, err := s.finding(ctx)
	if err != nil {
		return err
	}
	return s.run(ctx, []int{3}, "drift", id)
}

// finding is the one about the group's deletion, among those about what it tore down.
func (s *stage) finding(ctx context.Context) (id string, err error) {
	err = s.imago.ask(ctx, func(line []byte) error {
		var f struct {
			ID     string
			Change struct{ Key, Op string }
		}
		if err := json.Unmarshal(line, &f); err != nil {
			return err
		}
		if f.Change.Key == "group/"+s.deleted && f.Change.Op == "delete" {
			id = f.ID[len(f.ID)-8:]
		}
		return nil
	}, "drift", "--limit", "0")
	if err == nil && id == "" {
		err = errors.New("there is no finding about the group")
	}
	return id, err
}

// restore plans, approves, applies, and closes the window.
func (s *stage) restore(ctx context.Context) error {
	sentence(5, "Ada plans the restore, approves exactly that plan, and applies it")
	if err := s.run(ctx, done, "restore", "plan", "group:"+group); err != nil {
		return err
	}
	var plan struct {
		Digest string `json:"plan_digest"`
	}
	err := s.imago.ask(ctx, func(line []byte) error { return json.Unmarshal(line, &plan) }, "restore", "show", "latest")
	if err != nil {
		return err
	}
	if err := s.run(ctx, done, "restore", "approve", "latest", "--digest", plan.Digest); err != nil {
		return err
	}
	conn, err := s.connection(ctx)
	if err != nil {
		return err
	}
	after := s.outbox.count()
	if err := s.apply(ctx, conn.credential("write").ClientID); err != nil {
		return err
	}
	l, err := s.mail(ctx, "the receipt", after, func(l letter) bool { return strings.Contains(strings.ToLower(l.subject), "restore") })
	if err != nil {
		return err
	}
	l.show()
	return s.run(ctx, done, "activity", "--limit", "12")
}

// apply opens the write window in Okta, applies, and closes the window when Imago
// asks for it. The command ends when Okta has refused the write app.
func (s *stage) apply(ctx context.Context, app string) error {
	fmt.Println("\nAda activates the write app for as long as this takes:")
	if err := s.ada.switchApp(ctx, app, "activate"); err != nil {
		return err
	}
	r, err := s.imago.show(ctx, func(line string) error {
		if !strings.Contains(line, "closing: deactivate") {
			return nil
		}
		return s.ada.switchApp(ctx, app, "deactivate")
	}, "restore", "apply", "latest")
	if err := errors.Join(err, r.want(done)); err != nil {
		return err
	}
	if !strings.Contains(r.out, "a write is refused now") {
		return errors.New("the restore ended without showing that a write is refused")
	}
	return nil
}

// compare wants no difference, but IDs and timestamps.
func (s *stage) compare(ctx context.Context) error {
	sentence(6, "The org and the snapshot: no difference but IDs and timestamps")
	r, err := s.imago.show(ctx, nil, "diff", "latest", "live", "--restore", "latest")
	if err := errors.Join(err, r.want([]int{0, 3})); err != nil { // 3: the gaps could not be compared
		return err
	}
	if !strings.Contains(r.out, "No difference") {
		return errors.New("the org differs from the snapshot")
	}
	return nil
}
