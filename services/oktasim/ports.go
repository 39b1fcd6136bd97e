package main

import (
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"imago/services/oktasim/internal/authority"
)

// ports are the listeners of a run. secure is nil without HTTPS.
type ports struct{ plain, secure, control net.Listener }

// listen opens the ports, all or none. now is the time that certificates go by.
func listen(c Config, now func() time.Time) (p ports, err error) {
	defer func() {
		if err != nil {
			err = errors.Join(err, p.close())
		}
	}()
	if p.plain, err = net.Listen("tcp", c.Listen); err != nil {
		return p, fmt.Errorf("listen for the org: %w", err)
	}
	if p.control, err = net.Listen("tcp", c.Control); err != nil {
		return p, fmt.Errorf("listen for the control port: %w", err)
	}
	if c.HTTPS != "" {
		p.secure, err = listenSecurely(c, now)
	}
	return p, err
}

// listenSecurely writes the certificate of a new authority and opens a port under it.
func listenSecurely(c Config, now func() time.Time) (net.Listener, error) {
	a, err := authority.New(now)
	if err != nil {
		return nil, err
	}
	if err := writeWhole(c.AuthorityFile, func(w io.Writer) error { _, err := w.Write(a.PEM()); return err }); err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp", c.HTTPS)
	if err != nil {
		return nil, fmt.Errorf("listen for HTTPS: %w", err)
	}
	return tls.NewListener(l, a.Config()), nil
}

func (p ports) close() error {
	var errs []error
	for _, l := range []net.Listener{p.plain, p.secure, p.control} {
		if l != nil {
			errs = append(errs, l.Close())
		}
	}
	return errors.Join(errs...)
}

// serve answers on the ports; failed receives the end of each.
func (p ports) serve(org, control http.Handler) (servers []*http.Server, failed <-chan error) {
	ends := make(chan error, 3)
	for _, port := range []struct {
		net.Listener
		http.Handler
	}{{p.plain, org}, {p.secure, org}, {p.control, control}} {
		if port.Listener == nil {
			continue
		}
		s := &http.Server{Handler: port.Handler, ReadHeaderTimeout: time.Minute}
		servers = append(servers, s)
		go func() { ends <- s.Serve(port.Listener) }()
	}
	return servers, ends
}

// url is the org's own: what clients are told, else where Okta would be, on HTTPS.
func (p ports) url(c Config) string {
	switch {
	case c.URL != "":
		return c.URL
	case p.secure != nil:
		return p.https()
	}
	return p.http()
}

func (p ports) http() string { return origin("http", p.plain.Addr()) }

func (p ports) https() string {
	if p.secure == nil {
		return ""
	}
	return origin("https", p.secure.Addr())
}

// origin leaves out the port that the scheme has anyhow, as clients do, which compare
// the org's links with their own (RFC 6454).
func origin(scheme string, a net.Addr) string {
	host, port, err := net.SplitHostPort(a.String())
	if err != nil || port != map[string]string{"http": "80", "https": "443"}[scheme] {
		return scheme + "://" + a.String()
	}
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	return scheme + "://" + host
}

// readyLine tells a starter that the ports answer. URL is the org's own, HTTP and HTTPS
// are where it listens.
type readyLine struct {
	Type    string `json:"type"`
	URL     string `json:"url"`
	HTTP    string `json:"http"`
	HTTPS   string `json:"https,omitempty"`
	Control string `json:"control"`
}

func (p ports) ready(c Config) readyLine {
	return readyLine{Type: "ready", URL: p.url(c), HTTP: p.http(), HTTPS: p.https(), Control: "http://" + p.control.Addr().String()}
}

func (r readyLine) announce(stdout io.Writer, file string) error {
	b, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("write the ready line: %w", err)
	}
	b = append(b, '\n')
	if file != "" {
		if err := writeWhole(file, func(w io.Writer) error { _, err := w.Write(b); return err }); err != nil {
			return err
		}
	}
	if _, err := stdout.Write(b); err != nil {
		return fmt.Errorf("write the ready line: %w", err)
	}
	return nil
}
