package conformance

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"

	okta "github.com/okta/okta-sdk-golang/v6/okta"
)

// TestSDK6 lives by the SDK for Go of today, which puts aside fields that it does not
// know: so they are found.
func TestSDK6(t *testing.T) {
	t.Parallel()
	s := start(t)
	live(t, s, newSDK6(t, s.client(t), s.Token), func(l Life) string { return l.Go6 })
}

// sdk6 runs operations as GroupAPI.AddGroup.
type sdk6 struct{ client *okta.APIClient }

func newSDK6(t *testing.T, client *http.Client, token string) sdk6 {
	t.Helper()
	config, err := okta.NewConfiguration(
		okta.WithOrgUrl("https://acme.okta.com"), okta.WithToken(token), okta.WithCache(false), okta.WithHttpClientPtr(client),
	)
	if err != nil {
		t.Fatal(err)
	}
	return sdk6{okta.NewAPIClient(config)}
}

func (s sdk6) call(t *testing.T, operation, body string, values ...string) result {
	t.Helper()
	request, err := s.request(operation, values)
	if err == nil && body != "" {
		request, err = withBody(request, body)
	}
	if err != nil {
		t.Fatalf("%s: %v", operation, err)
	}
	return execute(request)
}

func (s sdk6) request(operation string, values []string) (reflect.Value, error) {
	api, name, _ := strings.Cut(operation, ".")
	service := reflect.ValueOf(s.client).Elem().FieldByName(api)
	if !service.IsValid() || !service.MethodByName(name).IsValid() {
		return reflect.Value{}, fmt.Errorf("the SDK has no %s", operation)
	}
	method := service.MethodByName(name)
	args := []reflect.Value{reflect.ValueOf(context.Background())}
	for _, v := range values {
		args = append(args, reflect.ValueOf(v))
	}
	if method.Type().NumIn() != len(args) {
		return reflect.Value{}, fmt.Errorf("it takes %d values, not %d", method.Type().NumIn()-1, len(values))
	}
	return method.Call(args)[0], nil
}

// withBody finds the setter that takes an object, which is the body, and reads the body
// into the SDK's own type.
func withBody(request reflect.Value, body string) (reflect.Value, error) {
	for i := range request.NumMethod() {
		m := request.Method(i)
		t := m.Type()
		if t.NumIn() != 1 || t.NumOut() != 1 || t.Out(0) != request.Type() || t.In(0).Kind() != reflect.Struct {
			continue
		}
		v := reflect.New(t.In(0))
		if err := json.Unmarshal([]byte(body), v.Interface()); err != nil {
			return request, fmt.Errorf("read the body into %s: %w", t.In(0), err)
		}
		return m.Call([]reflect.Value{v.Elem()})[0], nil
	}
	return request, fmt.Errorf("%s takes no body", request.Type())
}

func execute(request reflect.Value) result {
	out := request.MethodByName("Execute").Call(nil)
	var r result
	if err, ok := out[len(out)-1].Interface().(error); ok {
		r.err = err
		if e, ok := err.(interface{ Body() []byte }); ok {
			r.err = fmt.Errorf("%w: %s", err, e.Body())
		}
	}
	if resp, ok := out[len(out)-2].Interface().(*okta.APIResponse); ok && resp != nil && resp.Response != nil {
		r.status = resp.StatusCode
	}
	if len(out) == 3 {
		r.value = out[0].Interface()
		found := map[string]bool{}
		unknownFields(out[0], found)
		r.unknown = slices.Sorted(maps.Keys(found))
	}
	return r
}

// unknownFields finds what the SDK put aside; what an embedded type does not know stands
// in the one around it.
func unknownFields(v reflect.Value, found map[string]bool) {
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		if !v.IsNil() {
			unknownFields(v.Elem(), found)
		}
	case reflect.Slice:
		for i := range v.Len() {
			unknownFields(v.Index(i), found)
		}
	case reflect.Map:
		for it := v.MapRange(); it.Next(); {
			unknownFields(it.Value(), found)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			f := v.Type().Field(i)
			switch {
			case f.Name == "AdditionalProperties" && f.Type.Kind() == reflect.Map:
				for _, k := range v.Field(i).MapKeys() {
					found[v.Type().Name()+"."+k.String()] = true
				}
			case f.Anonymous:
				embedded := map[string]bool{}
				unknownFields(v.Field(i), embedded)
				maps.DeleteFunc(embedded, func(name string, _ bool) bool { return strings.HasPrefix(name, f.Name+".") })
				maps.Copy(found, embedded)
			case f.IsExported():
				unknownFields(v.Field(i), found)
			}
		}
	}
}
