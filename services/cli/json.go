package cli

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/timestamppb"
)

type message = proto.Message

// emit prints one message of the API as one line of JSON, with its type. Unlike
// protobuf's own JSON mapping, which is meant to be unstable in its spacing and
// writes 64-bit numbers as strings, a line is the same every time and a number is a
// number. A message's own field "type" becomes "resource_type".
func (p *program) emit(kind string, m proto.Message) error {
	var b bytes.Buffer
	b.WriteString(`{"type":` + quote(kind))
	if err := writeFields(&b, m.ProtoReflect(), false); err != nil {
		return fmt.Errorf("print %s: %w", kind, err)
	}
	b.WriteString("}\n")
	p.print("%s", escape(b.String()))
	return nil
}

// emitValue prints a line that is not a message of the API.
func (p *program) emitValue(v any) error {
	line, err := json.Marshal(v)
	if err != nil {
		return err
	}
	p.print("%s\n", escape(string(line)))
	return nil
}

// writeFields writes the fields in the order of their numbers. Messages that are
// absent are left out; everything else is always there.
func writeFields(b *bytes.Buffer, m protoreflect.Message, first bool) error {
	var errs []error
	fields := m.Descriptor().Fields()
	for i := range fields.Len() {
		f := fields.Get(i)
		if (f.HasPresence() || f.ContainingOneof() != nil) && !m.Has(f) {
			continue
		}
		if !first {
			b.WriteByte(',')
		}
		first = false
		b.WriteString(quote(fieldName(f)) + ":")
		errs = append(errs, writeValue(b, f, m.Get(f)))
	}
	return errors.Join(errs...)
}

func fieldName(f protoreflect.FieldDescriptor) string {
	if f.Name() == "type" {
		return "resource_type"
	}
	return string(f.Name())
}

func writeValue(b *bytes.Buffer, f protoreflect.FieldDescriptor, v protoreflect.Value) error {
	switch {
	case f.IsMap():
		return writeMap(b, v.Map())
	case f.IsList():
		return writeList(b, f, v.List())
	default:
		return writeScalar(b, f, v)
	}
}

func writeList(b *bytes.Buffer, f protoreflect.FieldDescriptor, list protoreflect.List) error {
	var errs []error
	b.WriteByte('[')
	for i := range list.Len() {
		if i > 0 {
			b.WriteByte(',')
		}
		errs = append(errs, writeScalar(b, f, list.Get(i)))
	}
	b.WriteByte(']')
	return errors.Join(errs...)
}

// writeMap writes a map of texts, sorted by key.
func writeMap(b *bytes.Buffer, m protoreflect.Map) error {
	values := map[string]string{}
	m.Range(func(k protoreflect.MapKey, v protoreflect.Value) bool {
		values[k.String()] = v.String()
		return true
	})
	return writeJSON(b, values)
}

// holdsJSON are fields whose text is JSON; it is printed as what it is.
var holdsJSON = []protoreflect.FullName{
	"imago.v1.Field.before", "imago.v1.Field.after", "imago.v1.GetResourceResponse.body", "imago.v1.Credential.public_jwk",
}

func writeScalar(b *bytes.Buffer, f protoreflect.FieldDescriptor, v protoreflect.Value) error {
	if slices.Contains(holdsJSON, f.FullName()) {
		return writeRaw(b, v.String())
	}
	if f.Kind() != protoreflect.MessageKind {
		return writeJSON(b, v.Interface())
	}
	if t, ok := v.Message().Interface().(*timestamppb.Timestamp); ok {
		return writeJSON(b, t.AsTime().UTC().Format(time.RFC3339Nano))
	}
	b.WriteByte('{')
	err := writeFields(b, v.Message(), true)
	b.WriteByte('}')
	return err
}

// writeRaw writes a text that is JSON; null when there is none.
func writeRaw(b *bytes.Buffer, text string) error {
	if text == "" {
		text = "null"
	}
	return json.Compact(b, []byte(text))
}

func writeJSON(b *bytes.Buffer, v any) error {
	text, err := json.Marshal(v)
	b.Write(text)
	return err
}

// quote writes a text that has nothing to escape but what strings have in Go.
func quote(s string) string { return `"` + s + `"` }

// escape keeps what a terminal might obey out of JSON, by JSON's own escapes.
func escape(line string) string {
	text, newline := strings.CutSuffix(line, "\n")
	if !slices.ContainsFunc([]rune(text), hostile) {
		return line
	}
	var b strings.Builder
	for _, r := range text {
		switch {
		case hostile(r) && r > 0xffff: // a tag or private character, as a surrogate pair
			r -= 0x10000
			fmt.Fprintf(&b, `\u%04x\u%04x`, 0xd800+r>>10, 0xdc00+r&0x3ff)
		case hostile(r):
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			b.WriteRune(r)
		}
	}
	if newline {
		b.WriteByte('\n')
	}
	return b.String()
}
