package org

import (
	"fmt"
	"io"
	"reflect"
	"strings"

	"imago/services/oktasim/internal/doc"
)

// stream writes v as doc.Bytes does, but piece by piece down to a depth, so that a large
// org does not stand in memory twice.
func stream(w io.Writer, v reflect.Value, depth int) error {
	for v.Kind() == reflect.Pointer && !v.IsNil() && depth > 0 {
		v = v.Elem()
	}
	switch {
	case depth > 0 && v.Kind() == reflect.Struct:
		return streamFields(w, v, depth)
	case depth > 0 && v.Kind() == reflect.Slice && !v.IsNil():
		return streamElements(w, v, depth)
	}
	b, err := doc.Bytes(v.Interface())
	if err != nil {
		return err
	}
	_, err = w.Write(b)
	return err
}

func streamElements(w io.Writer, v reflect.Value, depth int) error {
	if _, err := io.WriteString(w, "["); err != nil {
		return err
	}
	for i := range v.Len() {
		if i > 0 {
			if _, err := io.WriteString(w, ",\n"); err != nil {
				return err
			}
		}
		if err := stream(w, v.Index(i), depth-1); err != nil {
			return err
		}
	}
	_, err := io.WriteString(w, "]")
	return err
}

// streamFields writes the fields of a struct, which must all have a name for JSON.
func streamFields(w io.Writer, v reflect.Value, depth int) error {
	before := "{"
	for i := range v.NumField() {
		name, option, _ := strings.Cut(v.Type().Field(i).Tag.Get("json"), ",")
		if value := v.Field(i); strings.HasPrefix(option, "omit") && (value.IsZero() || value.Kind() == reflect.Slice && value.Len() == 0) {
			continue
		}
		if _, err := fmt.Fprintf(w, "%s%q:", before, name); err != nil {
			return err
		}
		if err := stream(w, v.Field(i), depth-1); err != nil {
			return err
		}
		before = ","
	}
	_, err := io.WriteString(w, "}\n")
	return err
}
