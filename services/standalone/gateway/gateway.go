// Package gateway is the S3 server inside imagod: Versity's gateway over a folder,
// on loopback, with credentials made anew at each start. It says only what is on the
// disk: an object that it names outlives a power cut, one that it took away does not
// come back, and a folder that is missing is an error and never an empty store.
//
// It takes two things that belong to the whole process, from Start to Close: the
// working directory, because the gateway serves relative paths, and os.Stderr, because
// that is where the gateway prints. A program that starts it makes all its other paths
// absolute first. There can be one at a time in a process, and one process on a folder.
package gateway

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/versity/versitygw/auth"
	"github.com/versity/versitygw/embedgw"
	"github.com/versity/versitygw/s3api"
)

// Server is a running gateway.
type Server struct {
	Endpoint        string // http://127.0.0.1:port
	Region          string
	Bucket          string
	AccessKeyID     string
	SecretAccessKey string // new at each start, in memory only

	disk  *disk
	stop  context.CancelFunc
	ended chan struct{} // closed when it serves no more
	err   error         // of its end; read it after ended
	close func() error
}

// Options of Make and Start.
type Options struct {
	Bucket string       // zero: "imago"
	Port   int          // zero: any free one
	Log    *slog.Logger // hears what the gateway prints; zero: slog.Default
}

const (
	region      = "us-east-1"
	startTries  = 5                // a free port may be taken before the gateway gets to it
	startWithin = 20 * time.Second // opening a folder and a socket takes milliseconds
	maxRequests = 256
)

// running guards what belongs to the process and not to us: its working directory,
// its stderr, and the gateway's own global state.
var running atomic.Bool

// Start serves the store in dir, which Make made, until Close. The context bounds the
// start only.
func Start(ctx context.Context, dir string, o Options) (*Server, error) {
	if !running.CompareAndSwap(false, true) {
		return nil, errors.New("object store: one is running in this process already")
	}
	s, err := take(ctx, dir, o)
	if err != nil {
		running.Store(false)
		return nil, fmt.Errorf("object store: %w", err)
	}
	return s, nil
}

// take starts the server with what it needs of the process, and gives that back
// when the server is closed or does not start.
func take(ctx context.Context, dir string, o Options) (*Server, error) {
	f, err := open(dir, o.Bucket)
	if err != nil {
		return nil, err
	}
	before, err := os.Getwd()
	if err != nil {
		return nil, err
	}
	hushed, err := hush(cmp.Or(o.Log, slog.Default()))
	if err != nil {
		return nil, err
	}
	giveBack := func() error { return errors.Join(os.Chdir(before), hushed.end()) }
	s, err := retry(ctx, f, o.Port)
	if err != nil {
		return nil, errors.Join(err, giveBack())
	}
	s.close = sync.OnceValue(func() error {
		defer running.Store(false)
		return errors.Join(s.end(), giveBack())
	})
	return s, nil
}

// retry starts a gateway, anew when its port was snatched away.
func retry(ctx context.Context, f folder, port int) (s *Server, err error) {
	for range startTries {
		if s, err = start(ctx, f, port); port != 0 || !errors.Is(err, syscall.EADDRINUSE) {
			return s, err
		}
	}
	return nil, err
}

func start(ctx context.Context, f folder, port int) (*Server, error) {
	address, err := address(port)
	if err != nil {
		return nil, err
	}
	disk, err := newDisk(f, kernel())
	if err != nil {
		return nil, fmt.Errorf("%s: %w", f.dir, err)
	}
	s := &Server{
		Endpoint: "http://" + address, Region: region, Bucket: f.bucket,
		AccessKeyID: rand.Text(), SecretAccessKey: rand.Text() + rand.Text(),
		disk: disk, ended: make(chan struct{}),
	}
	// Not the caller's context: the server outlives the start.
	life, stop := context.WithCancel(context.WithoutCancel(ctx))
	s.stop = stop
	ready := make(chan struct{})
	go func() {
		defer close(s.ended)
		s.err = embedgw.RunVersityGW(life, disk, s.config(address, ready))
	}()
	if err := s.await(ctx, ready); err != nil {
		return nil, fmt.Errorf("at %s: %w", address, err)
	}
	return s, nil
}

// address picks a free port. The gateway takes no listener, so another program
// could be faster: Start then tries again.
func address(port int) (string, error) {
	l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

func (s *Server) config(address string, ready chan struct{}) *embedgw.Config {
	return &embedgw.Config{
		RootUserAccess: s.AccessKeyID, RootUserSecret: s.SecretAccessKey,
		Region: region, Ports: []string{address},
		MaxConnections: 2 * maxRequests, MaxRequests: maxRequests, MultipartMaxParts: 1,
		KeepAlive: true, Quiet: true, DisableACLs: true,
		IAMService: auth.NewIAMServiceSingle(auth.Account{
			Access: s.AccessKeyID, Secret: s.SecretAccessKey, Role: auth.RoleAdmin,
		}),
		S3Options: []s3api.Option{
			s3api.WithOnListen(func() { close(ready) }),
			s3api.WithMiddleware("/", refuseEncryption),
		},
	}
}

// await waits until the server listens.
func (s *Server) await(ctx context.Context, ready <-chan struct{}) error {
	ctx, cancel := context.WithTimeout(ctx, startWithin)
	defer cancel()
	select {
	case <-ready:
		return nil
	case <-s.ended:
		s.stop()
		return errors.Join(errors.New("ended at its start"), s.err)
	case <-ctx.Done():
		return errors.Join(ctx.Err(), s.end())
	}
}

// Watch waits for the context's end, and answers an error if the server ends first.
func (s *Server) Watch(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return nil
	case <-s.ended:
		return errors.Join(errors.New("the object store ended by itself"), s.err)
	}
}

// Ready answers an error when the store cannot serve: its folder is not there.
func (s *Server) Ready(context.Context) error { return s.disk.present() }

// Close stops serving, lets running requests end, and waits for it: up to ten
// seconds while clients hold connections open, so close those first.
func (s *Server) Close() error { return s.close() }

func (s *Server) end() error {
	s.stop()
	<-s.ended
	if s.err != nil && !errors.Is(s.err, context.Canceled) {
		return fmt.Errorf("close object store: %w", s.err)
	}
	return nil
}
