package rows

import (
	"encoding/json"

	"imago/pkg/problem"
)

// Page is a part of a list, newest first.
type Page struct {
	Before string // the ID (or number) that the part comes before; "": from the newest
	Limit  int    // at most; zero: 50; never over 500
}

// Most gives the limit within its bounds.
func (p Page) Most() int {
	if p.Limit <= 0 {
		return 50
	}
	return min(p.Limit, 500)
}

// Null gives nil for "", so that an empty text becomes null.
func Null[T ~string](s T) *T {
	if s == "" {
		return nil
	}
	return &s
}

// JSON renders a value for a jsonb column; a nil slice becomes an empty list.
func JSON[T any](list []T) ([]byte, error) {
	if list == nil {
		list = []T{}
	}
	return json.Marshal(list)
}

// ProblemJSON renders what a person may see of a problem; nil becomes null.
func ProblemJSON(p *problem.Problem) ([]byte, error) {
	if p == nil {
		return nil, nil
	}
	return json.Marshal(struct {
		Kind  problem.Kind `json:"kind"`
		Field string       `json:"field"`
		What  string       `json:"what"`
		Hint  string       `json:"hint"`
	}{p.Kind, p.Field, p.What, p.Hint})
}
