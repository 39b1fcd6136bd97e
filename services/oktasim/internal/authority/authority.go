// Package authority issues the certificates of the simulator's HTTPS port. It promises
// that a client which trusts the authority's own certificate, and nothing else, reaches
// the port under any name and any address; the keys never leave memory.
package authority

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"sync"
	"time"
)

// life is how long the certificates hold: longer than any run, and short enough for
// clients that refuse certificates of more than 398 days. They begin a day early, for
// clients whose clocks are behind.
const life = 397 * 24 * time.Hour

// Authority is a certificate authority of its own. It is safe for concurrent use.
type Authority struct {
	root *x509.Certificate
	key  crypto.Signer
	now  func() time.Time

	mu     sync.Mutex
	issued map[string]*tls.Certificate
}

// New makes an authority with a new key. now is the time that clients go by.
func New(now func() time.Time) (*Authority, error) {
	a := &Authority{now: now, issued: map[string]*tls.Certificate{}}
	template, err := a.template("oktasim authority")
	if err != nil {
		return nil, err
	}
	template.IsCA, template.BasicConstraintsValid = true, true
	template.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make the authority's key: %w", err)
	}
	a.key = key
	if a.root, err = sign(template, template, key.Public(), key); err != nil {
		return nil, err
	}
	return a, nil
}

// PEM is the authority's own certificate, for clients to trust.
func (a *Authority) PEM() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.root.Raw})
}

// Config makes the listener answer with a certificate for whatever name or address the
// client has asked for. HTTP/2 is not offered: its connections cannot be cut on demand.
func (a *Authority) Config() *tls.Config {
	return &tls.Config{MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"}, GetCertificate: a.certificate}
}

// certificate issues one for the name that the client sends, else for the address that it
// has reached: clients send no name with an address (RFC 6066, section 3).
func (a *Authority) certificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	name := hello.ServerName
	if name == "" {
		host, _, err := net.SplitHostPort(hello.Conn.LocalAddr().String())
		if err != nil {
			return nil, fmt.Errorf("find the address to certify: %w", err)
		}
		name = host
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if c := a.issued[name]; c != nil {
		return c, nil
	}
	c, err := a.issue(name)
	if err != nil {
		return nil, err
	}
	a.issued[name] = c
	return c, nil
}

func (a *Authority) issue(name string) (*tls.Certificate, error) {
	template, err := a.template(name)
	if err != nil {
		return nil, err
	}
	template.KeyUsage, template.ExtKeyUsage = x509.KeyUsageDigitalSignature, []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	if ip := net.ParseIP(name); ip != nil {
		template.IPAddresses = []net.IP{ip}
	} else {
		template.DNSNames = []string{name}
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make the key of %s: %w", name, err)
	}
	leaf, err := sign(template, a.root, key.Public(), a.key)
	if err != nil {
		return nil, err
	}
	return &tls.Certificate{Certificate: [][]byte{leaf.Raw, a.root.Raw}, PrivateKey: key, Leaf: leaf}, nil
}

// template is what all certificates have in common.
func (a *Authority) template(name string) (*x509.Certificate, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, fmt.Errorf("make a serial number: %w", err)
	}
	begin := a.now().Add(-24 * time.Hour)
	return &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: name, Organization: []string{"oktasim"}},
		NotBefore: begin, NotAfter: begin.Add(life),
	}, nil
}

func sign(template, parent *x509.Certificate, public crypto.PublicKey, key crypto.Signer) (*x509.Certificate, error) {
	der, err := x509.CreateCertificate(rand.Reader, template, parent, public, key)
	if err != nil {
		return nil, fmt.Errorf("sign the certificate of %s: %w", template.Subject.CommonName, err)
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("read the certificate of %s: %w", template.Subject.CommonName, err)
	}
	return c, nil
}
