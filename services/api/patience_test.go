package api

import (
	"bytes"
	"compress/gzip"
	"net/http"
	"runtime"
	"testing"
)

// A megabyte of compressed zeros is a gigabyte: nobody, signed in or not, can have the
// api unfold it.
func TestCompressedBodiesAreNotUnfoldedWithoutEnd(t *testing.T) {
	w := newWorld(t, Config{})
	bomb := new(bytes.Buffer)
	z := gzip.NewWriter(bomb)
	zeros := make([]byte, 1<<20)
	for range 256 {
		if _, err := z.Write(zeros); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]int{
		"/v1/sign-in/codes":                   http.StatusUnsupportedMediaType,
		"/imago.v1.SignInService/RequestCode": http.StatusTooManyRequests,
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		r, err := http.NewRequestWithContext(t.Context(), "POST", w.url+path, bytes.NewReader(bomb.Bytes()))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Content-Encoding", "gzip")
		res, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		if err := res.Body.Close(); err != nil {
			t.Fatal(err)
		}
		runtime.ReadMemStats(&after)
		if took := after.TotalAlloc - before.TotalAlloc; res.StatusCode != want || took > 32<<20 {
			t.Errorf("%s: %d after allocating %d MiB, want %d and little", path, res.StatusCode, took>>20, want)
		}
	}
}
