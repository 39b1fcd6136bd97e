package page

import (
	"crypto/hmac"
	"crypto/sha256"
	"strings"
	"testing"

	"imago/pkg/problem"
	imagov1 "imago/proto/imago/v1"
)

func key(k string) MAC {
	return func(data []byte) []byte {
		h := hmac.New(sha256.New, []byte(k))
		h.Write(data)
		return h.Sum(nil)
	}
}

func TestTokenReturnsToItsPosition(t *testing.T) {
	t.Parallel()
	for _, position := range []string{"a", "group/00g1", strings.Repeat("x", 300)} {
		r := &imagov1.ListSnapshotsRequest{ConnectionId: "c1", PageSize: 10}
		token, err := Token(key("k"), r, position)
		if err != nil {
			t.Fatal(err)
		}
		next := &imagov1.ListSnapshotsRequest{ConnectionId: "c1", PageSize: 20, PageToken: token}
		if got, err := Position(key("k"), next); err != nil || got != position {
			t.Errorf("Position = %q, %v; want %q", got, err, position)
		}
	}
}

func TestNoPositionNoToken(t *testing.T) {
	t.Parallel()
	token, err := Token(key("k"), &imagov1.ListActivityRequest{}, "")
	if token != "" || err != nil {
		t.Errorf("Token = %q, %v; want none", token, err)
	}
	position, err := Position(key("k"), &imagov1.ListActivityRequest{})
	if position != "" || err != nil {
		t.Errorf("Position = %q, %v; want the start", position, err)
	}
}

func TestForeignTokensAreRefused(t *testing.T) {
	t.Parallel()
	mine := &imagov1.ListSnapshotsRequest{ConnectionId: "c1"}
	token, err := Token(key("k"), mine, "p")
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		key string
		r   Request
	}{
		"another list":       {"k", &imagov1.ListRestoresRequest{ConnectionId: "c1", PageToken: token}},
		"another filter":     {"k", &imagov1.ListSnapshotsRequest{ConnectionId: "c2", PageToken: token}},
		"another account":    {"other", &imagov1.ListSnapshotsRequest{ConnectionId: "c1", PageToken: token}},
		"changed at its end": {"k", &imagov1.ListSnapshotsRequest{ConnectionId: "c1", PageToken: token + "AA"}},
		"not a cursor":       {"k", &imagov1.ListSnapshotsRequest{ConnectionId: "c1", PageToken: "ü"}},
		"too short":          {"k", &imagov1.ListSnapshotsRequest{ConnectionId: "c1", PageToken: "AAAA"}},
	} {
		position, err := Position(key(c.key), c.r)
		p := problem.Of(err)
		if position != "" || p == nil || p.Kind != problem.Invalid || p.Field != "page_token" || p.Hint == "" {
			t.Errorf("%s: Position = %q, %v; want Invalid in page_token with a hint", name, position, err)
		}
	}
}

func TestSize(t *testing.T) {
	t.Parallel()
	for n, want := range map[int32]int{0: Default, 1: 1, Most: Most} {
		if got, err := Size(&imagov1.ListActivityRequest{PageSize: n}); got != want || err != nil {
			t.Errorf("Size(%d) = %d, %v; want %d", n, got, err, want)
		}
	}
	for _, n := range []int32{-1, Most + 1} {
		if _, err := Size(&imagov1.ListActivityRequest{PageSize: n}); problem.Of(err) == nil || problem.Of(err).Field != "page_size" {
			t.Errorf("Size(%d) = %v; want a problem in page_size", n, err)
		}
	}
}
