package boot

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"slices"
	"sync"
	"time"

	"golang.org/x/crypto/acme"
	"golang.org/x/crypto/acme/autocert"

	"imago/pkg/outbound"
)

// Listener is where a program is reached: with TLS 1.3, by a certificate that is given
// or one that it gets for itself; without TLS on a loopback address only.
type Listener struct {
	Addr        string        `env:"ADDR" help:"host:port to listen at; absent: not at all"`
	Cert        string        `env:"TLS_CERT" help:"file of the certificate with its chain, PEM; read again when it changes"`
	Key         string        `env:"TLS_KEY" help:"file of the certificate's key, PEM"`
	Domains     []string      `env:"ACME_DOMAINS" help:"names to get a certificate for by ACME (TLS-ALPN-01, port 443)"`
	Cache       string        `env:"ACME_CACHE" help:"folder that keeps certificates from ACME"`
	Email       string        `env:"ACME_EMAIL" help:"where the certificate authority writes to"`
	Directory   string        `env:"ACME_DIRECTORY" help:"another certificate authority than Let's Encrypt"`
	ShutdownFor time.Duration `env:"SHUTDOWN_FOR" envDefault:"10s" help:"how long running requests may go on at the end"`
}

// Validate tells what does not go together. Plain HTTP is refused unless the address is
// a loopback one.
func (l Listener) Validate() error {
	if l.Addr == "" {
		return nil
	}
	host, _, err := net.SplitHostPort(l.Addr)
	if err != nil {
		return fmt.Errorf("ADDR: %q is not host:port", l.Addr)
	}
	var wrong []error
	if (l.Cert == "") != (l.Key == "") {
		wrong = append(wrong, errors.New("TLS_CERT and TLS_KEY: one needs the other"))
	}
	if l.Cert != "" && len(l.Domains) > 0 {
		wrong = append(wrong, errors.New("TLS_CERT and ACME_DOMAINS: choose one"))
	}
	if len(l.Domains) > 0 && l.Cache == "" {
		wrong = append(wrong, errors.New("ACME_CACHE: certificates must be kept somewhere"))
	}
	if l.Cert != "" && l.Key != "" {
		if _, err := tls.LoadX509KeyPair(l.Cert, l.Key); err != nil {
			wrong = append(wrong, fmt.Errorf("TLS_CERT and TLS_KEY: %w", err))
		}
	}
	if !l.secure() && !outbound.IsLoopback(host) {
		wrong = append(wrong, fmt.Errorf("ADDR: %s is reachable from other machines: give TLS_CERT and TLS_KEY, or ACME_DOMAINS", l.Addr))
	}
	return errors.Join(wrong...)
}

func (l Listener) secure() bool { return l.Cert != "" || len(l.Domains) > 0 }

// Listen takes the address at once, so that a taken one is told at the start, and adds
// the server to the program's parts. It gives the address that it listens at; a program
// that only looks takes none, for the one that runs has it.
func (p *Process) Listen(ctx context.Context, name string, l Listener, h http.Handler) (net.Addr, error) {
	if p.looking {
		return nil, nil
	}
	s, err := l.listen(ctx, p.Log)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	p.Go(name, func(ctx context.Context) error { return s.serve(ctx, h) })
	return s.addr(), nil
}

// server is a listener that was taken.
type server struct {
	l   Listener
	on  net.Listener // nil: not at all
	tls *tls.Config
	log *slog.Logger
}

func (l Listener) listen(ctx context.Context, log *slog.Logger) (*server, error) {
	s := &server{l: l, log: log}
	if l.Addr == "" {
		return s, nil
	}
	if err := l.Validate(); err != nil {
		return nil, err
	}
	s.tls = l.tls()
	on, err := (&net.ListenConfig{}).Listen(ctx, "tcp", l.Addr)
	if err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	s.on = on
	return s, nil
}

func (s *server) addr() net.Addr {
	if s.on == nil {
		return nil
	}
	return s.on.Addr()
}

// serve answers requests until ctx ends. Then running ones may come to their end; after
// half of the time that they have, their contexts end, which is what ends streams.
func (s *server) serve(ctx context.Context, h http.Handler) error {
	if s.on == nil {
		<-ctx.Done()
		return nil
	}
	base, cut := context.WithCancel(context.WithoutCancel(ctx))
	defer cut()
	srv := &http.Server{
		Handler: bounded(HSTS(h), unhurried), TLSConfig: s.tls, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute,
		MaxHeaderBytes: 64 << 10, ErrorLog: slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
		BaseContext: func(net.Listener) context.Context { return base }, Protocols: protocols(s.tls != nil),
	}
	served := make(chan error, 1)
	go func() {
		if s.tls != nil {
			served <- srv.ServeTLS(s.on, "", "")
			return
		}
		served <- srv.Serve(s.on)
	}()
	select {
	case err := <-served:
		return fmt.Errorf("serve: %w", err)
	case <-ctx.Done():
	}
	within := max(s.l.ShutdownFor, time.Second)
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), within)
	defer cancel()
	half := time.AfterFunc(within/2, cut)
	defer half.Stop()
	if err := srv.Shutdown(stop); err != nil {
		return errors.Join(fmt.Errorf("stop serving: %w", err), srv.Close())
	}
	return nil
}

// protocols takes HTTP/2 also without TLS: on loopback, gRPC clients have no other.
func protocols(secure bool) *http.Protocols {
	p := new(http.Protocols)
	p.SetHTTP1(true)
	p.SetHTTP2(secure)
	p.SetUnencryptedHTTP2(!secure)
	return p
}

// HSTS tells browsers never to come without TLS (RFC 6797): two years, subdomains too.
func HSTS(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.TLS != nil {
			w.Header().Set("Strict-Transport-Security", "max-age=63072000; includeSubDomains")
		}
		h.ServeHTTP(w, r)
	})
}

// tls is TLS 1.3 and nothing older; nil: none.
func (l Listener) tls() *tls.Config {
	switch {
	case l.Cert != "":
		pair := &pair{cert: l.Cert, key: l.Key}
		return &tls.Config{MinVersion: tls.VersionTLS13, GetCertificate: pair.get}
	case len(l.Domains) > 0:
		m := &autocert.Manager{
			Prompt: autocert.AcceptTOS, HostPolicy: autocert.HostWhitelist(l.Domains...),
			Cache: autocert.DirCache(l.Cache), Email: l.Email,
		}
		if l.Directory != "" {
			m.Client = &acme.Client{DirectoryURL: l.Directory}
		}
		c := m.TLSConfig()
		c.MinVersion = tls.VersionTLS13
		return c
	}
	return nil
}

// pair is a certificate in files, which somebody renews while we run.
type pair struct {
	cert, key string
	mu        sync.Mutex
	read      []time.Time // when the files were changed that were read last
	have      *tls.Certificate
}

func (p *pair) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	changed, err := changes(p.cert, p.key)
	if err == nil && p.have != nil && slices.EqualFunc(changed, p.read, time.Time.Equal) {
		return p.have, nil
	}
	var fresh tls.Certificate
	if err == nil {
		fresh, err = tls.LoadX509KeyPair(p.cert, p.key)
	}
	if err != nil {
		if p.have != nil { // half renewed: the old one serves on until the new one can be read
			return p.have, nil
		}
		return nil, err
	}
	p.have, p.read = &fresh, changed
	return p.have, nil
}

func changes(paths ...string) (out []time.Time, err error) {
	for _, path := range paths {
		info, err := os.Stat(path)
		if err != nil {
			return nil, err
		}
		out = append(out, info.ModTime())
	}
	return out, nil
}
