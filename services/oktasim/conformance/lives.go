package conformance

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"strings"
)

//go:embed lives.json
var livesJSON []byte

// Life is the life of one object, as an SDK lives it: made, read, listed, replaced and
// deleted.
type Life struct {
	Name string
	// Field is where the answer shows the name that the bodies give, ID by what it is read;
	// "" is id.
	Field, ID string
	// Within are the names and values of the path before the id.
	Within [][2]string
	// Body makes the object, Next replaces it. $group stands for a group's id.
	Body, Next json.RawMessage
	// Go6, Go2 and Node are the SDK's names: of the service and of the operations that
	// create, get, list, replace, prepare for deletion and delete. - is none.
	Go6, Go2, Node string
}

// Operations are an SDK's, by what they do.
type Operations struct {
	Service, Create, Get, List, Replace, Prepare, Delete string
}

// Lives are the families of objects that every SDK must be able to handle.
func Lives() ([]Life, error) {
	var out []Life
	if err := json.Unmarshal(livesJSON, &out); err != nil {
		return nil, fmt.Errorf("read lives.json: %w", err)
	}
	return out, nil
}

// parseOperations reads the names of a life's operations.
func parseOperations(names string) (Operations, error) {
	fields := strings.Fields(names)
	if len(fields) != 7 {
		return Operations{}, fmt.Errorf("%q are not a service and six operations", names)
	}
	for i, f := range fields {
		fields[i] = strings.TrimPrefix(f, "-")
	}
	return Operations{fields[0], fields[1], fields[2], fields[3], fields[4], fields[5], fields[6]}, nil
}

// at finds a value by a path with dots; nil if it is not there.
func at(object map[string]any, path string) any {
	var v any = object
	for p := range strings.SplitSeq(path, ".") {
		m, ok := v.(map[string]any)
		if !ok {
			return nil
		}
		v = m[p]
	}
	return v
}
