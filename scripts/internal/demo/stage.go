package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// stage is everything that the story plays on.
type stage struct {
	options
	ports   ports
	imago   imago
	outbox  *outbox
	okta    *process
	imagod  *process
	org     string // the simulated org's URL
	control string
	server  string // imagod's URL
	ada     *admin // the super admin, who uses Imago
	robin   *admin // another administrator
	deleted string // the group's ID, once it is deleted
}

// ports stay the same from run to run, because the org's URL stands in the data.
type ports struct {
	Okta  string `json:"okta"`
	Imago string `json:"imago"`
}

// open starts everything.
func open(ctx context.Context, o options) (_ *stage, err error) {
	s := &stage{options: o}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.close())
		}
	}()
	if err := prepare(o.data); err != nil {
		return nil, err
	}
	if s.ports, err = choosePorts(filepath.Join(o.data, "ports.json")); err != nil {
		return nil, err
	}
	s.server, s.org = "http://"+s.ports.Imago, "http://"+s.ports.Okta
	s.imago = imago{program: filepath.Join(o.bin, "imago"), env: []string{
		"XDG_CONFIG_HOME=" + filepath.Join(o.data, "config"), "IMAGO_SERVER=" + s.server,
	}}
	if s.outbox, err = openOutbox(filepath.Join(o.data, "outbox")); err != nil {
		return nil, err
	}
	fmt.Printf("Starting a simulated Okta org, a mailbox and Imago in %s\n", o.data)
	if err := s.startOkta(ctx); err != nil {
		return nil, err
	}
	return s, s.startImago(ctx)
}

// choosePorts takes the ports of the last run, or free ones.
func choosePorts(file string) (p ports, err error) {
	text, err := os.ReadFile(file)
	if err == nil {
		return p, json.Unmarshal(text, &p)
	}
	if !errors.Is(err, os.ErrNotExist) {
		return p, err
	}
	if p.Okta, err = freePort(); err != nil {
		return p, err
	}
	if p.Imago, err = freePort(); err != nil {
		return p, err
	}
	if text, err = json.Marshal(p); err != nil {
		return p, err
	}
	return p, os.WriteFile(file, text, 0o600)
}

func freePort() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

// startOkta starts the simulated org with its state, and lets two of its
// administrators make tokens of their own.
func (s *stage) startOkta(ctx context.Context) (err error) {
	ready := filepath.Join(s.data, "oktasim.ready")
	if err := os.Remove(ready); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	s.okta, err = startProcess(s.data, filepath.Join(s.bin, "oktasim"), nil, "serve", "--listen", s.ports.Okta,
		"--seed", "demo", "--rate-multiplier", "10", "--state", filepath.Join(s.data, "okta.json"), "--ready-file", ready)
	if err != nil {
		return err
	}
	var line struct{ Control string }
	err = await(ctx, "the simulated org answers", time.Minute, func() (bool, error) {
		text, err := os.ReadFile(ready)
		if errors.Is(err, os.ErrNotExist) {
			return false, s.okta.ended()
		}
		if err != nil {
			return false, err
		}
		return true, json.Unmarshal(text, &line)
	})
	if err != nil {
		return err
	}
	s.control = line.Control
	if s.ada, err = s.administrator(ctx, "ada.moreno@acme-robotics.example", "203.0.113.10"); err != nil {
		return err
	}
	s.robin, err = s.administrator(ctx, "robin.vale@acme-robotics.example", "198.51.100.77")
	return err
}

func (s *stage) administrator(ctx context.Context, login, ip string) (*admin, error) {
	token, err := tokenFor(ctx, s.control, login)
	return &admin{org: s.org, name: login, token: token, ip: ip}, err
}

// public is where people open the console: by a name, which passkeys need.
func (s *stage) public() string {
	return "http://" + strings.Replace(s.ports.Imago, "127.0.0.1", "localhost", 1)
}

// environ is what imagod is told. The simulator that holds the story's org has room for
// demo orgs, too.
func (s *stage) environ() []string {
	return []string{"IMAGO_PUBLIC_URL=" + s.public(), "IMAGO_DEMO_ORGS_URL=" + s.org, "IMAGO_DEMO_CONTROL_URL=" + s.control}
}

// startImago starts imagod and waits until it is ready.
func (s *stage) startImago(ctx context.Context) (err error) {
	s.imagod, err = startProcess(s.data, filepath.Join(s.bin, "imagod"), append(s.environ(), s.set...), "--data", filepath.Join(s.data, "imago"),
		"--listen", s.ports.Imago, "--smtp", s.outbox.address(), "--from", "Imago <imago@acme-robotics.example>", "--allow-loopback-orgs")
	if err != nil {
		return err
	}
	return await(ctx, "imagod is ready", 3*time.Minute, func() (bool, error) {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.server+"/readyz", nil)
		if err != nil {
			return false, err
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil { // not listening yet
			return false, s.imagod.ended()
		}
		return res.StatusCode == http.StatusOK, res.Body.Close()
	})
}

// close stops everything in its order.
func (s *stage) close() error {
	err := errors.Join(s.imagod.stop(), s.okta.stop())
	if s.outbox != nil {
		err = errors.Join(err, s.outbox.close())
	}
	return err
}

// stay keeps everything up until somebody interrupts.
func (s *stage) stay(ctx context.Context) {
	fmt.Printf(`
Everything stays up until you press ^C. In another terminal:

  export PATH=%s:$PATH
  export XDG_CONFIG_HOME=%s
  export IMAGO_SERVER=%s
  imago status

  Imago         %s  (the console; sign in as %s: the code is in the mails)
  its data      %s
  its log       %s
  Okta          %s  (simulated; control port %s)
  mails         %s
  start anew    scripts/demo --reset
`, s.bin, filepath.Join(s.data, "config"), s.server, s.server, s.ada.name, filepath.Join(s.data, "imago"),
		s.imagod.log.Name(), s.org, s.control, s.outbox.dir)
	select {
	case <-ctx.Done():
	case <-s.imagod.done:
		fmt.Println("\nimagod has ended.")
	case <-s.okta.done:
		fmt.Println("\nThe simulated org has ended.")
	}
	fmt.Println("\nStopping.")
}

// mail waits for a mail that fits and arrived after the first `after`.
func (s *stage) mail(ctx context.Context, what string, after int, fits func(letter) bool) (letter, error) {
	var l letter
	err := await(ctx, what+" arrives by mail", time.Minute, func() (found bool, err error) {
		l, found = s.outbox.find(after, fits)
		return found, s.imagod.ended()
	})
	return l, err
}

// sentence prints what happens, as the heading of a step.
func sentence(n int, text string) {
	title := fmt.Sprintf("%d. %s", n, text)
	fmt.Printf("\n%s\n%s\n", title, strings.Repeat("─", len([]rune(title))))
}
