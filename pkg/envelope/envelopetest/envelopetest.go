// Package envelopetest is the suite that every envelope.KeyService passes.
package envelopetest

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"

	"imago/pkg/account"
	"imago/pkg/envelope"
)

const (
	alice account.ID = "0b6a9f0e-0000-7000-8000-00000000000a"
	bob   account.ID = "0b6a9f0e-0000-7000-8000-00000000000b"
)

// Run tests a key service, wherever it is, and that it carries a keyring.
func Run(t *testing.T, ks envelope.KeyService) {
	for name, test := range map[string]func(*testing.T, envelope.KeyService){
		"WrapsAndUnwraps":     wrapsAndUnwraps,
		"IsBoundToTheAccount": isBoundToTheAccount,
		"RefusesAlteredBytes": refusesAlteredBytes,
		"RefusesTooMuch":      refusesTooMuch,
		"NeverWrapsTwiceAlike": func(t *testing.T, ks envelope.KeyService) {
			if bytes.Equal(wrap(t, ks, alice, []byte("x")), wrap(t, ks, alice, []byte("x"))) {
				t.Error("equal secrets look equal")
			}
		},
		"HeedsTheContext": heedsTheContext,
		"CarriesAKeyring": carriesAKeyring,
		"HasAName":        hasAName,
	} {
		t.Run(name, func(t *testing.T) { test(t, ks) })
	}
}

func wrap(t *testing.T, ks envelope.KeyService, id account.ID, plain []byte) []byte {
	t.Helper()
	wrapped, err := ks.Wrap(t.Context(), id, plain)
	if err != nil {
		t.Fatal(err)
	}
	return wrapped
}

func wrapsAndUnwraps(t *testing.T, ks envelope.KeyService) {
	for _, plain := range [][]byte{{0}, bytes.Repeat([]byte("key"), 11), make([]byte, envelope.MaxWrap)} {
		wrapped := wrap(t, ks, alice, plain)
		if len(plain) > shown && Shows(string(wrapped), plain) {
			t.Error("the secret shows")
		}
		got, err := ks.Unwrap(t.Context(), alice, wrapped)
		if err != nil || !bytes.Equal(got, plain) {
			t.Errorf("%d bytes: got %d and %v", len(plain), len(got), err)
		}
	}
}

func isBoundToTheAccount(t *testing.T, ks envelope.KeyService) {
	wrapped := wrap(t, ks, alice, []byte("secret"))
	for _, id := range []account.ID{bob, "", alice + "x"} {
		if got, err := ks.Unwrap(t.Context(), id, wrapped); !errors.Is(err, envelope.ErrNotOpened) {
			t.Errorf("account %q: %q, %v", id, got, err)
		}
	}
}

func refusesAlteredBytes(t *testing.T, ks envelope.KeyService) {
	wrapped := wrap(t, ks, alice, []byte("secret"))
	for i := range wrapped {
		altered := bytes.Clone(wrapped)
		altered[i] ^= 1
		if got, err := ks.Unwrap(t.Context(), alice, altered); !errors.Is(err, envelope.ErrNotOpened) {
			t.Errorf("byte %d altered: %q, %v", i, got, err)
		}
		if got, err := ks.Unwrap(t.Context(), alice, wrapped[:i]); !errors.Is(err, envelope.ErrNotOpened) {
			t.Errorf("cut at %d: %q, %v", i, got, err)
		}
	}
}

func refusesTooMuch(t *testing.T, ks envelope.KeyService) {
	if _, err := ks.Wrap(t.Context(), alice, make([]byte, envelope.MaxWrap+1)); err == nil {
		t.Error("wrapped more than the door promises")
	}
}

func heedsTheContext(t *testing.T, ks envelope.KeyService) {
	wrapped := wrap(t, ks, alice, []byte("x"))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := ks.Wrap(ctx, alice, []byte("x")); !errors.Is(err, context.Canceled) {
		t.Errorf("wrap: %v", err)
	}
	if _, err := ks.Unwrap(ctx, alice, wrapped); !errors.Is(err, context.Canceled) {
		t.Errorf("unwrap: %v", err)
	}
}

func carriesAKeyring(t *testing.T, ks envelope.KeyService) {
	k, err := envelope.NewKeyring(t.Context(), ks, alice)
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := k.SealObject("test", "name", []byte("content"))
	if err != nil {
		t.Fatal(err)
	}
	again, err := envelope.OpenKeyring(t.Context(), ks, alice, k.Wrapped())
	if err != nil {
		t.Fatal(err)
	}
	if got, err := again.OpenObject("test", "name", sealed); err != nil || string(got) != "content" {
		t.Errorf("%q, %v", got, err)
	}
}

// hasAName: it stands in clear beside what is wrapped, in one line.
func hasAName(t *testing.T, ks envelope.KeyService) {
	if name := ks.Name(); len(name) < 8 || len(name) > 300 || strings.ContainsAny(name, "\x00\n\"") {
		t.Errorf("its name is %q", name)
	}
	if err := envelope.Check(t.Context(), ks); err != nil {
		t.Error(err)
	}
}
