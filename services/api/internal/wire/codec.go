package wire

import (
	"fmt"
	"regexp"
	"strings"

	"connectrpc.com/connect"
	"connectrpc.com/vanguard"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"imago/pkg/problem"
)

// JSON is the Connect protocol's JSON codec, stricter than its default: a field
// that the request does not have is refused by name, so that a misspelt one
// cannot be passed over in silence. Fields are spelt as in the protos, so that
// a problem's field reads as the person wrote it; camel case is understood too.
type JSON struct{}

var _ connect.Codec = JSON{}

// Name is "json".
func (JSON) Name() string { return vanguard.CodecJSON }

// Marshal writes a message, fields spelt as in the protos.
func (JSON) Marshal(m any) ([]byte, error) {
	msg, ok := m.(proto.Message)
	if !ok {
		return nil, fmt.Errorf("marshal %T: not a protobuf message", m)
	}
	return protojson.MarshalOptions{UseProtoNames: true}.Marshal(msg)
}

// Unmarshal reads a message; its error is a problem of kind Invalid that names the field.
func (JSON) Unmarshal(data []byte, m any) error {
	msg, ok := m.(proto.Message)
	if !ok {
		return fmt.Errorf("unmarshal %T: not a protobuf message", m)
	}
	if len(data) == 0 {
		return malformed("the body is empty")
	}
	if err := (protojson.UnmarshalOptions{}).Unmarshal(data, msg); err != nil {
		return parseProblem(err, msg)
	}
	return nil
}

// REST is the REST side's codec, with the same rules as JSON.
type REST struct{ vanguard.JSONCodec }

var _ vanguard.RESTCodec = REST{}

// NewREST makes the codec for a vanguard transcoder.
func NewREST(types vanguard.TypeResolver) vanguard.Codec {
	return REST{vanguard.JSONCodec{
		MarshalOptions:   protojson.MarshalOptions{Resolver: types, UseProtoNames: true},
		UnmarshalOptions: protojson.UnmarshalOptions{Resolver: types},
	}}
}

// Unmarshal reads a message; its error names the field.
func (c REST) Unmarshal(data []byte, msg proto.Message) error {
	if err := c.JSONCodec.Unmarshal(data, msg); err != nil {
		return Error(parseProblem(err, msg), "")
	}
	return nil
}

// The two ways in which protojson names a field. Its prefix varies on purpose
// (a no-break space), so only what follows is matched.
var (
	unknownField = regexp.MustCompile(`unknown field "([^"]+)"`)
	invalidValue = regexp.MustCompile(`invalid value for \S+ (?:field|type) ([A-Za-z_.]+)?`)
)

func parseProblem(err error, msg proto.Message) *problem.Problem {
	text := err.Error()
	if m := unknownField.FindStringSubmatch(text); m != nil {
		return problem.InField(m[1], "there is no such field").WithHint("see /openapi.yaml").Because(err)
	}
	if m := invalidValue.FindStringSubmatch(text); m != nil {
		return problem.InField(spelt(m[1], msg), "the value is not of the field's type").WithHint("see /openapi.yaml").Because(err)
	}
	return malformed("the body is not the JSON of this request").Because(err)
}

// spelt gives a field's name as the protos spell it; protojson reports it in camel case.
func spelt(name string, msg proto.Message) string {
	if f := msg.ProtoReflect().Descriptor().Fields().ByJSONName(name); f != nil {
		return string(f.Name())
	}
	return name
}

func malformed(what string) *problem.Problem {
	return problem.InField("body", "%s", strings.TrimSpace(what)).WithHint("send one JSON object, see /openapi.yaml")
}
