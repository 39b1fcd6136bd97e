// Package ident makes ids that look like Okta's (a type prefix, then 17 letters and
// digits) and secrets. Equal seeds give equal sequences; no id comes twice.
package ident

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"strings"
)

const alphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

// period is 62^8: the middle eight characters of an id carry the counter.
const period = 62 * 62 * 62 * 62 * 62 * 62 * 62 * 62

// stride is coprime with 62, so that the counter runs through all values before it repeats.
const stride = 98_765_432_109_877 % period

// Source makes ids. It is not safe for concurrent use; the org's lock guards it.
type Source struct {
	Seed uint64 `json:"seed"`
	Next uint64 `json:"next"`
}

// ID returns the next id with the prefix (three characters, as "00u").
func (s *Source) ID(prefix string) string {
	s.Next++
	seed := s.digest("ids", 0)
	start := binary.BigEndian.Uint64(seed[:8]) % period
	n := (start + mul(s.Next%period, stride)) % period
	return prefix + letters(binary.BigEndian.Uint64(seed[8:16]), 6) + letters(n, 8) + "1d7"
}

// Secret returns text that cannot be guessed from other secrets, of the given length.
func (s *Source) Secret(length int) string {
	s.Next++
	var b strings.Builder
	for i := uint64(0); b.Len() < length; i++ {
		sum := s.digest("secret", s.Next<<8|i)
		b.WriteString(base64.RawURLEncoding.EncodeToString(sum[:]))
	}
	return b.String()[:length]
}

// UUID returns a version 4 shaped identifier.
func (s *Source) UUID() string {
	s.Next++
	b := s.digest("uuid", s.Next)
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:16])
}

func (s *Source) digest(label string, n uint64) [32]byte {
	var b [16]byte
	binary.BigEndian.PutUint64(b[:8], s.Seed)
	binary.BigEndian.PutUint64(b[8:], n)
	return sha256.Sum256(append([]byte(label), b[:]...))
}

// mul multiplies modulo period without overflow: both factors are below 2^48.
func mul(a, b uint64) uint64 {
	var sum uint64
	for ; b > 0; b >>= 1 {
		if b&1 == 1 {
			sum = (sum + a) % period
		}
		a = a * 2 % period
	}
	return sum
}

func letters(n uint64, width int) string {
	out := make([]byte, width)
	for i := width - 1; i >= 0; i-- {
		out[i] = alphabet[n%62]
		n /= 62
	}
	return string(out)
}
