package worker_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
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
	var rng blob.Range
	if _, err := fmt.Sscanf(r.URL.RawQuery, rangeQuery, &rng.Offset, &rng.Length); err != nil {
		return err
	}
	object, err := l.store.Get(r.Context(), key, rng)
	if err != nil {
		return err
	}
	_, err = io.Copy(w, object)
	return errors.Join(err, object.Close())
}

// rangeQuery is the query for a range.
const rangeQuery = "offset=%d&length=%d"

// remote is the store that a lender lends.
type remote struct{ url string }

var _ blob.Store = remote{}

// ask gives the answer's body, which is read as it comes.
func (s remote) ask(ctx context.Context, method, key string, body io.Reader, size int64) (io.ReadCloser, error) {
	r, err := http.NewRequestWithContext(ctx, method, s.url+"/"+key, body)
	if err != nil {
		return nil, err
	}
	r.ContentLength = size
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return nil, err
	}
	switch resp.StatusCode {
	case http.StatusOK:
		return resp.Body, nil
	case http.StatusConflict:
		err = blob.ErrExists
	case http.StatusNotFound:
		err = blob.ErrNotFound
	default:
		err = fmt.Errorf("%s: %s", method, resp.Status)
	}
	return nil, errors.Join(err, resp.Body.Close())
}

func (s remote) call(ctx context.Context, method, key string, body io.Reader, size int64) error {
	answer, err := s.ask(ctx, method, key, body, size)
	if err != nil {
		return err
	}
	return answer.Close()
}

func (s remote) Put(ctx context.Context, key string, r io.Reader, size int64) error {
	return s.call(ctx, http.MethodPut, key, r, size)
}

// Replace is what keyrings are stored by.
func (s remote) Replace(ctx context.Context, key string, r io.Reader, size int64) error {
	return s.call(ctx, http.MethodPost, key, r, size)
}

func (s remote) Delete(ctx context.Context, key string) error {
	return s.call(ctx, http.MethodDelete, key, nil, 0)
}

func (s remote) Get(ctx context.Context, key string, rng blob.Range) (io.ReadCloser, error) {
	return s.ask(ctx, http.MethodGet, key+"?"+fmt.Sprintf(rangeQuery, rng.Offset, rng.Length), nil, 0)
}

func (s remote) List(ctx context.Context, prefix string) iter.Seq2[blob.Object, error] {
	return func(yield func(blob.Object, error) bool) {
		all, err := s.list(ctx, prefix)
		for _, o := range all {
			if !yield(o, nil) {
				return
			}
		}
		if err != nil {
			yield(blob.Object{}, err)
		}
	}
}

func (s remote) list(ctx context.Context, prefix string) (all []blob.Object, err error) {
	answer, err := s.ask(ctx, "LIST", prefix, nil, 0)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, answer.Close()) }()
	for d := json.NewDecoder(answer); d.More(); {
		var o blob.Object
		if err := d.Decode(&o); err != nil {
			return all, err
		}
		all = append(all, o)
	}
	return all, nil
}

func (s remote) Capabilities() blob.Capabilities { return blob.Capabilities{ConditionalPut: true} }
