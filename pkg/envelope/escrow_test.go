package envelope_test

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"

	"filippo.io/age"

	"imago/pkg/envelope"
	"imago/pkg/problem"
)

// TestEscrowVector: the escrow in testdata opens by the identity beside it, which is in a
// repository for everybody to see, and opens what the keyring of testdata has sealed.
func TestEscrowVector(t *testing.T) {
	t.Parallel()
	k, err := envelope.OpenEscrow(bytes.NewReader(fixed(t, "escrow.age")), bytes.NewReader(fixed(t, "identity.txt")))
	if err != nil {
		t.Fatal(err)
	}
	wantsVector(t, k)
	if k.Account() != alice || k.Current() != 2 || len(k.Wrapped()) != 0 {
		t.Errorf("account %s, key %d, stored as %q", k.Account(), k.Current(), k.Wrapped())
	}
}

func TestEscrow(t *testing.T) {
	t.Parallel()
	k := keyring(t, service(t), alice)
	object, column := sealBoth(t, k)
	x25519, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	hybrid, err := age.GenerateHybridIdentity()
	if err != nil {
		t.Fatal(err)
	}
	for recipient, identity := range map[string]string{
		x25519.Recipient().String(): x25519.String(), hybrid.Recipient().String(): hybrid.String(),
	} {
		r, err := envelope.ParseRecipient(" " + recipient + "\n")
		if err != nil || r.String() != recipient {
			t.Fatalf("%s: %v", r, err)
		}
		file, err := k.Escrow(r)
		if err != nil {
			t.Fatal(err)
		}
		opened, err := envelope.OpenEscrow(bytes.NewReader(file), strings.NewReader(identity))
		if err != nil {
			t.Fatal(err)
		}
		wantsBoth(t, opened, object, column)
		if !bytes.Equal(opened.Digest("d", []byte("x")), k.Digest("d", []byte("x"))) {
			t.Error("other digests")
		}
		if _, err := envelope.OpenEscrow(bytes.NewReader(fixed(t, "escrow.age")), strings.NewReader(identity)); !errors.Is(err, envelope.ErrNotOpened) || !strings.Contains(err.Error(), "another age recipient") {
			t.Errorf("somebody else's: %v", err)
		}
	}
}

// TestEscrowThatIsNone: what was altered, cut off or is something else opens nothing.
func TestEscrowThatIsNone(t *testing.T) {
	t.Parallel()
	identity, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	seal := func(content string) []byte {
		var out bytes.Buffer
		w, err := age.Encrypt(&out, identity.Recipient())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(content)); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		return out.Bytes()
	}
	key := strings.Repeat("A", 43) + "="
	whole := `{"format":1,"what":"imago keyring","account":"a","digest":"` + key + `","keys":[{"version":1,"key":"` + key + `"}]}`
	if _, err := envelope.OpenEscrow(bytes.NewReader(seal(whole)), strings.NewReader(identity.String())); err != nil {
		t.Fatalf("one that is right, without armor: %v", err)
	}
	bad := [][]byte{nil, []byte("text"), seal(""), seal("{}"), seal(`{"format":1,"what":"a letter"}`)}
	for _, c := range [][2]string{
		{`"format":1`, `"format":2`}, {`"account":"a"`, `"account":""`}, {`"digest":"A`, `"digest":"`}, {`"version":1`, `"version":0`},
		{`"key":"A`, `"key":"AAAAA`}, {`[{`, `[{"version":1,"key":"` + key + `"},{`},
	} {
		bad = append(bad, seal(strings.Replace(whole, c[0], c[1], 1)))
	}
	sealed := seal(whole)
	for i := range sealed {
		altered := bytes.Clone(sealed)
		altered[i] ^= 1
		bad = append(bad, altered, sealed[:i])
	}
	for _, file := range bad {
		if k, err := envelope.OpenEscrow(bytes.NewReader(file), strings.NewReader(identity.String())); err == nil {
			t.Errorf("%q opened: %v", file, k.Versions())
		}
	}
	if _, err := envelope.OpenEscrow(bytes.NewReader(sealed), strings.NewReader("no identity")); !problem.Is(err, problem.Invalid) {
		t.Errorf("no identity: %v", err)
	}
}

func TestParseRecipient(t *testing.T) {
	t.Parallel()
	identity, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	public := identity.Recipient().String()
	typo := []byte(public)
	slices.Reverse(typo[10:14])
	for _, text := range []string{"", "age1", string(typo), public + public, "ssh-ed25519 AAAA", identity.String(), strings.ToLower(identity.String())} {
		_, err := envelope.ParseRecipient(text)
		if !problem.Is(err, problem.Invalid) {
			t.Errorf("%q: %v", text, err)
		} else if strings.Contains(strings.ToUpper(err.Error()), identity.String()[:40]) {
			t.Errorf("the identity shows: %v", err)
		}
	}
}
