package wire

import (
	"bytes"
	"errors"
	"io"
	"mime"
	"net/http"
	"strings"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	"imago/pkg/problem"
)

// Strict answers malformed JSON of a unary Connect request itself. Connect would
// refuse it as well, by JSON's Unmarshal, but before any interceptor, and so
// without the Problem that names the field.
func Strict(next http.Handler, requestID func(*http.Request) string) http.Handler {
	answers := connect.NewErrorWriter()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := checkJSON(r); err != nil {
			// The client is gone if this fails; there is nobody left to tell.
			if err := answers.Write(w, r, Error(err, requestID(r))); err != nil {
				return
			}
			return
		}
		next.ServeHTTP(w, r)
	})
}

// checkJSON reads the body and puts it back.
func checkJSON(r *http.Request) error {
	input := inputOf(r)
	if input == nil {
		return nil
	}
	body, err := io.ReadAll(r.Body)
	if tooLarge, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return &problem.Problem{Kind: problem.OverLimit, Field: "body", What: "the request is too large", Hint: "send less", Err: tooLarge}
	}
	if err != nil {
		return malformed("the body ended early").Because(err)
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	return JSON{}.Unmarshal(body, input.New().Interface())
}

// inputOf finds the message that a unary, uncompressed JSON request must hold; nil
// when the request is of another form, which Connect judges.
func inputOf(r *http.Request) protoreflect.MessageType {
	media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	encoding := r.Header.Get("Content-Encoding")
	if err != nil || media != "application/json" || r.Method != http.MethodPost || encoding != "" && encoding != "identity" {
		return nil
	}
	name := strings.ReplaceAll(strings.TrimPrefix(r.URL.Path, "/"), "/", ".")
	d, err := protoregistry.GlobalFiles.FindDescriptorByName(protoreflect.FullName(name))
	if err != nil {
		return nil
	}
	method, ok := d.(protoreflect.MethodDescriptor)
	if !ok || method.IsStreamingClient() || method.IsStreamingServer() {
		return nil
	}
	input, err := protoregistry.GlobalTypes.FindMessageByName(method.Input().FullName())
	if err != nil {
		return nil
	}
	return input
}
