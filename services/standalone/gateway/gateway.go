// Package gateway is the S3 server inside imagod: Versity's gateway over a folder,
// on loopback, with credentials made anew at each start.
//
// The gateway serves relative paths: from Start to Close its folder is the working
// directory of the whole process. A program that starts it makes all its other
// paths absolute first. There can be one at a time in a process.
package gateway

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/versity/versitygw/auth"
	"github.com/versity/versitygw/backend/posix"
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

	before string // working directory to go back to
	stop   context.CancelFunc
	done   chan error
}

// Options of Start.
type Options struct {
	Bucket string // zero: "imago"
	Port   int    // zero: any free one
}

const (
	region      = "us-east-1"
	startTries  = 5                // a free port may be taken before the gateway gets to it
	startWithin = 20 * time.Second // opening a folder and a socket takes milliseconds
	maxRequests = 256
	maxCopy     = 5 << 30 // what S3 copies at most; zero would refuse every copy
)

// running guards what belongs to the process and not to us: its working directory,
// and the gateway's own global state.
var running atomic.Bool

// Start serves the buckets below dir, which is made if absent, until Close. The
// context bounds the start only.
func Start(ctx context.Context, dir string, o Options) (*Server, error) {
	if !running.CompareAndSwap(false, true) {
		return nil, errors.New("object store: one is running in this process already")
	}
	before, err := os.Getwd()
	if err != nil {
		running.Store(false)
		return nil, fmt.Errorf("object store: %w", err)
	}
	s, err := retry(ctx, dir, o)
	if err != nil {
		err = errors.Join(err, os.Chdir(before))
		running.Store(false)
		return nil, err
	}
	s.before = before
	return s, nil
}

// retry starts a gateway, anew when its port was snatched away.
func retry(ctx context.Context, dir string, o Options) (*Server, error) {
	if o.Bucket == "" {
		o.Bucket = "imago"
	}
	root, err := prepare(dir, o.Bucket)
	if err != nil {
		return nil, fmt.Errorf("object store in %s: %w", dir, err)
	}
	for range startTries {
		var s *Server
		if s, err = start(ctx, root, dir, o); err == nil || o.Port != 0 || ctx.Err() != nil {
			return s, err
		}
	}
	return nil, err
}

// prepare makes the folders: buckets, and metadata for file systems without
// extended attributes.
func prepare(dir, bucket string) (root string, err error) {
	if dir, err = filepath.Abs(dir); err != nil {
		return "", err
	}
	root = filepath.Join(dir, "buckets")
	if err := os.MkdirAll(filepath.Join(root, bucket), 0o700); err != nil {
		return "", err
	}
	return root, nil
}

func start(ctx context.Context, root, dir string, o Options) (*Server, error) {
	address, err := address(o.Port)
	if err != nil {
		return nil, err
	}
	disk, err := newDisk(root)
	if err != nil {
		return nil, fmt.Errorf("object store in %s: %w", dir, err)
	}
	s := &Server{
		Endpoint: "http://" + address, Region: region, Bucket: o.Bucket,
		AccessKeyID: rand.Text(), SecretAccessKey: rand.Text() + rand.Text(),
		done: make(chan error, 1),
	}
	// Not the caller's context: the server outlives the start.
	life, stop := context.WithCancel(context.WithoutCancel(ctx))
	s.stop = stop
	ready := make(chan struct{})
	go func() { s.done <- embedgw.RunVersityGW(life, disk, s.config(address, ready)) }()
	if err := s.await(ctx, ready); err != nil {
		return nil, fmt.Errorf("object store at %s: %w", address, err)
	}
	return s, nil
}

// address picks a free port. The gateway takes no listener, so another program
// could be faster: Start then tries again.
func address(port int) (string, error) {
	l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		return "", fmt.Errorf("object store: %w", err)
	}
	address := l.Addr().String()
	if err := l.Close(); err != nil {
		return "", fmt.Errorf("object store: %w", err)
	}
	return address, nil
}

func (s *Server) config(address string, ready chan struct{}) *embedgw.Config {
	return &embedgw.Config{
		RootUserAccess: s.AccessKeyID, RootUserSecret: s.SecretAccessKey,
		Region: region, Ports: []string{address},
		MaxConnections: 2 * maxRequests, MaxRequests: maxRequests, MultipartMaxParts: 10000,
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
	case err := <-s.done:
		s.stop()
		return errors.Join(errors.New("ended at its start"), err)
	case <-ctx.Done():
		return errors.Join(ctx.Err(), s.end())
	}
}

// Close stops serving, lets running requests end, and waits for it: up to ten
// seconds while clients hold connections open, so close those first.
func (s *Server) Close() error {
	defer running.Store(false)
	return errors.Join(s.end(), os.Chdir(s.before))
}

func (s *Server) end() error {
	s.stop()
	if err := <-s.done; err != nil && !errors.Is(err, context.Canceled) {
		return fmt.Errorf("close object store: %w", err)
	}
	return nil
}

func newDisk(root string) (*disk, error) {
	metadata, err := newMetadata(root)
	if err != nil {
		return nil, err
	}
	o := posix.PosixOpts{CopyObjectThreshold: maxCopy, SideCarDir: metadata.sidecar}
	o.SetNewDirPerm(0o700)
	o.SetNewFilePerm(0o600)
	p, err := posix.New(root, metadata.storer, o)
	if err != nil {
		return nil, err
	}
	return &disk{p, root, sync}, nil
}
