package conformance

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"
	"strings"
	"testing"

	"github.com/okta/okta-sdk-golang/v2/okta"
)

// TestSDK2 lives by the SDK for Go that most programs in the field have. It fails on
// fields of another type; what it does not know it drops, since it is of 2023.
func TestSDK2(t *testing.T) {
	t.Parallel()
	s := start(t)
	_, client, err := okta.NewClient(t.Context(),
		okta.WithOrgUrl("https://acme.okta.com"), okta.WithToken(s.Token), okta.WithCache(false), okta.WithHttpClientPtr(s.client(t)),
	)
	if err != nil {
		t.Fatal(err)
	}
	live(t, s, sdk2{client}, func(l Life) string { return l.Go2 })
}

// sdk2 runs operations as Group.CreateGroup.
type sdk2 struct{ client *okta.Client }

func (s sdk2) call(t *testing.T, operation, body string, values ...string) result {
	t.Helper()
	service, name, _ := strings.Cut(operation, ".")
	field := reflect.ValueOf(s.client).Elem().FieldByName(service)
	if !field.IsValid() || !field.MethodByName(name).IsValid() {
		t.Fatalf("the SDK has no %s", operation)
	}
	method := field.MethodByName(name)
	args := []reflect.Value{reflect.ValueOf(context.Background())}
	for i := 1; i < method.Type().NumIn(); i++ {
		v, err := argument(method.Type().In(i), body, &values)
		if err != nil {
			t.Fatalf("%s: %v", operation, err)
		}
		args = append(args, v)
	}
	return returned(method.Call(args))
}

// instances are what the SDK wants to be given where it only knows an interface.
var instances = map[string]func() any{
	"App":      func() any { return okta.NewBookmarkApplication() },
	"Policies": func() any { return okta.NewOktaSignOnPolicy() },
}

// argument takes the next value, the body read into the SDK's type, or no parameters.
func argument(t reflect.Type, body string, values *[]string) (reflect.Value, error) {
	switch {
	case t.Kind() == reflect.String:
		if len(*values) == 0 {
			return reflect.Value{}, fmt.Errorf("it takes more values")
		}
		v := (*values)[0]
		*values = (*values)[1:]
		return reflect.ValueOf(v), nil
	case t.Kind() == reflect.Pointer:
		return reflect.Zero(t), nil
	}
	var v reflect.Value
	if t.Kind() == reflect.Interface {
		v = reflect.ValueOf(instances[t.Name()]())
	} else {
		v = reflect.New(t)
	}
	if body != "" {
		if err := json.Unmarshal([]byte(body), v.Interface()); err != nil {
			return v, fmt.Errorf("read the body into %s: %w", t, err)
		}
	}
	if t.Kind() == reflect.Interface {
		return v, nil
	}
	return v.Elem(), nil
}

func returned(out []reflect.Value) result {
	var r result
	if err, ok := out[len(out)-1].Interface().(error); ok {
		r.err = err
	}
	if resp, ok := out[len(out)-2].Interface().(*okta.Response); ok && resp != nil && resp.Response != nil {
		r.status = resp.StatusCode
	}
	if len(out) == 3 {
		r.value = out[0].Interface()
	}
	if r.err == nil && r.status >= http.StatusBadRequest {
		r.err = fmt.Errorf("status %d", r.status)
	}
	return r
}
