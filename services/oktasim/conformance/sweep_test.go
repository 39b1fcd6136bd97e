package conformance

import (
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"

	okta "github.com/okta/okta-sdk-golang/v6/okta"
)

// leastRead is how many operations the sweep must at least read something by.
const leastRead = 140

// perList is how many elements of a list the sweep goes on with.
const perList = 3

// TestSDK6ReadsEverything walks every list and every object that Okta's description has,
// from the lists downwards, and fails for each answer that the SDK cannot read, or that
// has fields that it does not know.
func TestSDK6ReadsEverything(t *testing.T) {
	t.Parallel()
	spec, err := LoadSpec()
	if err != nil {
		t.Fatal(err)
	}
	s := start(t)
	w := &sweep{T: t, sdk: newSDK6(t, s.client(t), s.Token), spec: spec, known: readStrangers(t), read: map[string]bool{}, values: map[string][][]string{}}
	w.walk()
	t.Logf("%d operations read", len(w.read))
	if len(w.read) < leastRead {
		t.Errorf("only %d operations read anything", len(w.read))
	}
}

type sweep struct {
	*testing.T
	sdk   sdk6
	spec  *Spec
	known strangers
	// read are the operations that answered.
	read map[string]bool
	// values are, for a path that ends with a variable, the values of its variables.
	values map[string][][]string
}

func (w *sweep) walk() {
	paths := slices.Clone(w.spec.paths)
	slices.SortStableFunc(paths, func(a, b path) int { return len(a.parts) - len(b.parts) })
	for _, p := range paths {
		op := p.item.GetOperation(http.MethodGet)
		if op == nil || op.Responses.Status(http.StatusOK) == nil {
			continue
		}
		operation := w.find(op.OperationID)
		if operation == "" || unread[op.OperationID] != "" {
			continue
		}
		for _, values := range w.valuesOf(p) {
			w.visit(p, operation, values)
		}
	}
}

// unread are operations that the SDK does not run without a parameter of the query, or of
// which it cannot read a list.
var unread = map[string]string{
	"listPolicies": "a type",
	"getWellKnownAppAuthenticatorConfiguration": "a client",
	"listAuthenticatorEnrollments":              "a list is described as one object",
	"listPrincipalRateLimitEntities":            "a filter",
	"getSsfStreamStatus":                        "a stream",
	"previewSAMLmetadataForApplication":         "a key",
}

// find is the service that has the operation.
func (w *sweep) find(id string) string {
	if id == "" {
		return ""
	}
	name := strings.ToUpper(id[:1]) + id[1:]
	client := reflect.TypeOf(okta.APIClient{})
	for i := range client.NumField() {
		if f := client.Field(i); f.Type.Kind() == reflect.Interface {
			if _, ok := f.Type.MethodByName(name); ok {
				return f.Name + "." + name
			}
		}
	}
	return ""
}

// valuesOf are the values by which the path can be read.
func (w *sweep) valuesOf(p path) [][]string {
	for n := len(p.parts); n > 0; n-- {
		if strings.HasPrefix(p.parts[n-1], "{") {
			return w.values[shape(p.parts[:n])]
		}
	}
	return [][]string{nil}
}

// shape forgets the names of variables, which differ.
func shape(parts []string) string {
	out := slices.Clone(parts)
	for i, s := range out {
		if strings.HasPrefix(s, "{") {
			out[i] = "{}"
		}
	}
	return strings.Join(out, "/")
}

func (w *sweep) visit(p path, operation string, values []string) {
	w.Helper()
	r := w.sdk.call(w.T, operation, "", values...)
	switch {
	case r.status >= http.StatusBadRequest:
		return // there is nothing of the kind
	case r.err != nil:
		w.Errorf("%s %v: %v", operation, values, r.err)
		return
	}
	w.read[operation] = true
	for _, u := range r.unknown {
		if !w.known.has(u) {
			w.Errorf("%s %v: the SDK does not know %s", operation, values, u)
		}
	}
	key := shape(append(slices.Clone(p.parts), "{}"))
	for _, id := range elementIDs(r.value) {
		w.values[key] = append(w.values[key], append(slices.Clone(values), id))
	}
}

// elementIDs are what the first elements of a list are read by.
func elementIDs(value any) []string {
	list := reflect.ValueOf(value)
	if list.Kind() != reflect.Slice {
		return nil
	}
	var out []string
	for i := range min(list.Len(), perList) {
		r := result{value: list.Index(i).Interface()}
		object, err := r.fields()
		if err != nil {
			continue
		}
		for _, key := range []string{"id", "kid", "key", "name", "type"} {
			if s, ok := object[key].(string); ok {
				out = append(out, s)
				break
			}
		}
	}
	return out
}
