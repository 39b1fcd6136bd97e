// Package page makes the cursors of lists: opaque, bound to the account, the list
// and its filter, and impossible to make up.
package page

import (
	"crypto/hmac"
	"encoding/base64"
	"encoding/binary"
	"fmt"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"imago/pkg/problem"
)

// The sizes of pages.
const (
	Default = 50
	Most    = 200
)

// The names that every list's request uses.
const (
	sizeField  = "page_size"
	tokenField = "page_token"
)

const macSize = 16

// MAC authenticates bytes under a key of the account.
type MAC func(data []byte) []byte

// Request is a list's request: any message with page_size and page_token.
type Request interface {
	proto.Message
	GetPageSize() int32
	GetPageToken() string
}

// Size tells how many to answer; too many or fewer than none is a problem.
func Size(r Request) (int, error) {
	switch n := int(r.GetPageSize()); {
	case n == 0:
		return Default, nil
	case n < 0 || n > Most:
		return 0, problem.InField(sizeField, "%d is not from 1 to %d", n, Most).WithHint("leave it out for %d", Default)
	default:
		return n, nil
	}
}

// Token makes the cursor that continues the list r after position. No position, no
// cursor: the list has ended.
func Token(mac MAC, r Request, position string) (string, error) {
	if position == "" {
		return "", nil
	}
	sum, err := seal(mac, r, position)
	if err != nil {
		return "", err
	}
	return base64.RawURLEncoding.EncodeToString(append(sum, position...)), nil
}

// Position tells where r continues; "" is the start. A cursor that was not made
// for this list, with this filter, by this account, is a problem.
func Position(mac MAC, r Request) (string, error) {
	if r.GetPageToken() == "" {
		return "", nil
	}
	raw, err := base64.RawURLEncoding.DecodeString(r.GetPageToken())
	if err != nil || len(raw) <= macSize {
		return "", foreign()
	}
	position := string(raw[macSize:])
	sum, err := seal(mac, r, position)
	if err != nil {
		return "", err
	}
	if !hmac.Equal(sum, raw[:macSize]) {
		return "", foreign()
	}
	return position, nil
}

func foreign() error {
	return problem.InField(tokenField, "this cursor does not belong to this list").
		WithHint("pass next_page_token of the same list with the same filter, or leave it out to begin anew")
}

// seal binds a position to the request, less its page fields. The name of the
// message names the list: each list has a request of its own.
func seal(mac MAC, r Request, position string) ([]byte, error) {
	filter := proto.Clone(r)
	clear(filter.ProtoReflect(), sizeField, tokenField)
	b, err := proto.MarshalOptions{Deterministic: true}.Marshal(filter)
	if err != nil {
		return nil, fmt.Errorf("marshal the filter of %s: %w", r.ProtoReflect().Descriptor().FullName(), err)
	}
	name := string(r.ProtoReflect().Descriptor().FullName())
	return mac(frame([]byte(name), b, []byte(position)))[:macSize], nil
}

// frame joins parts so that no two lists of parts make the same bytes.
func frame(parts ...[]byte) []byte {
	var out []byte
	for _, p := range parts {
		out = append(binary.AppendUvarint(out, uint64(len(p))), p...)
	}
	return out
}

func clear(m protoreflect.Message, names ...protoreflect.Name) {
	for _, n := range names {
		if f := m.Descriptor().Fields().ByName(n); f != nil {
			m.Clear(f)
		}
	}
}
