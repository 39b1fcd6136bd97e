package worker_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/url"
	"strings"

	"imago/pkg/blob"
	"imago/pkg/blob/mem"
)

// lender lends a store in memory to other processes: the least protocol that keeps the
// store's own errors.
type lender struct{ store *mem.Store }

func (l *lender) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	err := l.serve(w, r)
	switch {
	case errors.Is(err, blob.ErrExists):
		w.WriteHeader(http.StatusConflict)
	case errors.Is(err, blob.ErrNotFound):
		w.WriteHeader(http.StatusNotFound)
	case err != nil:
		w.WriteHeader(http.StatusInternalServerError)
	}
}

func (l *lender) serve(w http.ResponseWriter, r *http.Request) error {
	key := strings.TrimPrefix(r.URL.Path, "/")
	switch r.Method {
	case http.MethodPut:
		return l.store.Put(r.Context(), key, r.Body, r.ContentLength)
	case http.MethodPost:
		return l.store.Replace(r.Context(), key, r.Body, r.ContentLength)
	case http.MethodDelete:
		return l.store.Delete(r.Context(), key)
	case "LIST":
		for o, err := range l.store.List(r.Context(), key) {
			if err != nil {
				return err
			}
			if err := json.NewEncoder(w).Encode(o); err != nil {
				return err
			}
		}
		return nil
	}
	object, err := l.store.Get(r.Context(), key, blob.Whole)
	if err != nil {
		return err
	}
	_, err = io.Copy(w, object)
	return errors.Join(err, object.Close())
}

// remote is the store that a lender lends.
type remote struct{ url string }

var _ blob.Store = remote{}

func (s remote) call(ctx context.Context, method, key string, body io.Reader, size int64) ([]byte, error) {
	r, err := http.NewRequestWithContext(ctx, method, s.url+"/"+(&url.URL{Path: key}).EscapedPath(), body)
	if err != nil {
		return nil, err
	}
	r.ContentLength = size
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return nil, err
	}
	answer, err := io.ReadAll(resp.Body)
	if err := errors.Join(err, resp.Body.Close()); err != nil {
		return nil, err
	}
	switch resp.StatusCode {
	case http.StatusOK:
		return answer, nil
	case http.StatusConflict:
		return nil, blob.ErrExists
	case http.StatusNotFound:
		return nil, blob.ErrNotFound
	}
	return nil, fmt.Errorf("%s: %s", method, resp.Status)
}

func (s remote) Put(ctx context.Context, key string, r io.Reader, size int64) error {
	_, err := s.call(ctx, http.MethodPut, key, r, size)
	return err
}

// Replace is what keyrings are stored by.
func (s remote) Replace(ctx context.Context, key string, r io.Reader, size int64) error {
	_, err := s.call(ctx, http.MethodPost, key, r, size)
	return err
}

func (s remote) Delete(ctx context.Context, key string) error {
	_, err := s.call(ctx, http.MethodDelete, key, nil, 0)
	return err
}

func (s remote) Get(ctx context.Context, key string, rng blob.Range) (io.ReadCloser, error) {
	whole, err := s.call(ctx, http.MethodGet, key, nil, 0)
	if err != nil {
		return nil, err
	}
	part := whole[min(rng.Offset, int64(len(whole))):]
	if rng.Length >= 0 {
		part = part[:min(rng.Length, int64(len(part)))]
	}
	return io.NopCloser(bytes.NewReader(part)), nil
}

func (s remote) List(ctx context.Context, prefix string) iter.Seq2[blob.Object, error] {
	return func(yield func(blob.Object, error) bool) {
		all, err := s.call(ctx, "LIST", prefix, nil, 0)
		for d := json.NewDecoder(bytes.NewReader(all)); err == nil && d.More(); {
			var o blob.Object
			if err = d.Decode(&o); err == nil && !yield(o, nil) {
				return
			}
		}
		if err != nil {
			yield(blob.Object{}, err)
		}
	}
}

func (s remote) Capabilities() blob.Capabilities { return blob.Capabilities{ConditionalPut: true} }
