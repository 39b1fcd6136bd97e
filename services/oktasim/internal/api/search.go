package api

import (
	"encoding/base64"
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"

	"imago/services/oktasim/internal/failure"
	"imago/services/oktasim/internal/org"
)

// ranked is a found object with what it is sorted by: a value, then its place.
type ranked[T any] struct {
	key, place string
	object     T
}

func (r ranked[T]) compare(other ranked[T]) int {
	return strings.Compare(r.key+"\x00"+r.place, other.key+"\x00"+other.place)
}

func (r ranked[T]) cursor() string {
	return base64.RawURLEncoding.EncodeToString([]byte(r.key + "\x00" + r.place))
}

// searchPage answers search in the order that sortBy and sortOrder ask for (documented),
// or in that of creation.
func searchPage[T any](c *call, p pages, s *org.Sight[T], by func(*T) func(string) []any, keep func(*T) bool, body func(*T) (any, error)) error {
	field := c.query.Get("sortBy")
	down := strings.EqualFold(c.query.Get("sortOrder"), "desc")
	if field == "" || field == "created" && !down {
		return page(c, p, s.After(c.query.Get("after")), s.Get, keep, body)
	}
	n, err := c.limit(p)
	if err != nil {
		return err
	}
	found := sorted(s, field, by, keep)
	best, err := first(found, c.query.Get("after"), n+1, down)
	if err != nil {
		return err
	}
	next := ""
	if len(best) > n {
		best = best[:n]
		next = best[n-1].cursor()
	}
	var items []any
	for _, r := range best {
		b, err := body(r.object)
		if err != nil {
			return err
		}
		items = append(items, b)
	}
	c.link(p, n, next)
	return c.array(items)
}

// sorted are the objects that search finds, with what they are to be sorted by.
func sorted[T any](s *org.Sight[T], field string, by func(*T) func(string) []any, keep func(*T) bool) iter.Seq[ranked[*T]] {
	return func(yield func(ranked[*T]) bool) {
		for place := range s.After("") {
			if x := s.Get(place); keep(x) && !yield(ranked[*T]{sortKey(by(x)(field)), place, x}) {
				return
			}
		}
	}
}

// first picks the n that come first after the cursor, without sorting the rest.
func first[T any](all iter.Seq[ranked[T]], cursor string, n int, down bool) ([]ranked[T], error) {
	after, err := base64.RawURLEncoding.DecodeString(cursor)
	if err != nil {
		return nil, failure.BadSearch("after: The cursor is not valid")
	}
	key, place, _ := strings.Cut(string(after), "\x00")
	last := ranked[T]{key: key, place: place}
	order := func(a, b ranked[T]) int {
		if down {
			return b.compare(a)
		}
		return a.compare(b)
	}
	var best []ranked[T]
	for r := range all {
		if cursor != "" && order(r, last) <= 0 {
			continue
		}
		if len(best) == n && order(r, best[n-1]) > 0 {
			continue
		}
		at, _ := slices.BinarySearchFunc(best, r, order)
		best = slices.Insert(best, at, r)
		best = best[:min(n, len(best))]
	}
	return best, nil
}

// sortKey orders the first value as a text: times by moment, all else without regard to
// case. What has none comes first.
func sortKey(values []any) string {
	if len(values) == 0 {
		return ""
	}
	if t, ok := values[0].(time.Time); ok {
		return t.UTC().Format("2006-01-02T15:04:05.000000000Z")
	}
	return strings.ToLower(fmt.Sprint(values[0]))
}

// hasPrefix compares without regard to case.
func hasPrefix(s, prefix string) bool {
	return len(s) >= len(prefix) && strings.EqualFold(s[:len(prefix)], prefix)
}
