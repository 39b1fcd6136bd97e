package hook_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"imago/services/oktasim/internal/hook"
)

// receiver answers with the statuses in turn, the last one for ever, and counts calls.
func receiver(t *testing.T, statuses ...int) (server *httptest.Server, calls *int) {
	t.Helper()
	calls = new(int)
	server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Location", "/elsewhere")
		w.WriteHeader(statuses[min(*calls, len(statuses)-1)])
		*calls++
		if _, err := w.Write([]byte(r.Method + " " + r.URL.Path + " " + r.Header.Get("X-Key"))); err != nil {
			t.Error(err)
		}
	}))
	t.Cleanup(server.Close)
	return server, calls
}

func TestCallsAreRepeatedOnceAfterErrorsOfTheServer(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		statuses    []int
		want, calls int
	}{
		{[]int{200}, 200, 1}, {[]int{503, 201}, 201, 2}, {[]int{500, 502, 200}, 502, 2}, {[]int{404, 200}, 404, 1}, {[]int{302, 200}, 302, 1},
	} {
		server, calls := receiver(t, test.statuses...)
		c := hook.NewCaller(time.Minute)
		a, err := c.Call(context.Background(), hook.Request{Method: "POST", URI: server.URL + "/in", Header: http.Header{"X-Key": {"k"}}})
		if err != nil || a.Status != test.want || *calls != test.calls {
			t.Errorf("%v: %v %v after %d calls", test.statuses, a.Status, err, *calls)
		}
		if test.want == 200 && string(a.Body) != "POST /in k" {
			t.Errorf("answer %s", a.Body)
		}
	}
}

func TestSilence(t *testing.T) {
	t.Parallel()
	calls := make(chan struct{}, 8)
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		calls <- struct{}{}
		<-r.Context().Done()
	}))
	t.Cleanup(server.Close)
	_, err := hook.NewCaller(20*time.Millisecond).Call(context.Background(), hook.Request{Method: "GET", URI: server.URL})
	if !hook.Silent(err) || len(calls) != 2 {
		t.Errorf("%v after %d calls", err, len(calls))
	}
}

func TestNobodyElseIsCalled(t *testing.T) {
	t.Parallel()
	c := hook.NewCaller(time.Minute)
	for _, uri := range []string{"https://hooks.example.com/in", "https://192.0.2.1/in", "https://[2001:db8::1]/in", "::", ""} {
		if c.Reaches(uri) {
			t.Errorf("%q can be called", uri)
		}
		if _, err := c.Call(context.Background(), hook.Request{Method: "GET", URI: uri}); err == nil {
			t.Errorf("%q was called", uri)
		}
	}
	for _, uri := range []string{"https://127.0.0.1:1/in", "https://[::1]/in", "https://localhost/in"} {
		if !c.Reaches(uri) {
			t.Errorf("%q cannot be called", uri)
		}
	}
}

func TestHostsAreLedToLoopback(t *testing.T) {
	t.Parallel()
	server, _ := receiver(t, 200)
	c := hook.NewCaller(time.Minute)
	for host, to := range map[string]string{"hooks.example.com": "http://192.0.2.1", "": server.URL, "a/b": server.URL, "x": "ftp://127.0.0.1"} {
		if err := c.Lead(host, to); err == nil {
			t.Errorf("%q was led to %s", host, to)
		}
	}
	if err := c.Lead("Hooks.example.com", server.URL+"/base/"); err != nil {
		t.Fatal(err)
	}
	a, err := c.Call(context.Background(), hook.Request{Method: "PUT", URI: "https://hooks.example.com/in"})
	if err != nil || !strings.HasPrefix(string(a.Body), "PUT /base/in") {
		t.Errorf("%s %v", a.Body, err)
	}
	if err := c.Lead("hooks.example.com", ""); err != nil || c.Reaches("https://hooks.example.com/in") || len(c.Hosts()) != 0 {
		t.Errorf("still led: %v %v", c.Hosts(), err)
	}
}
