package org

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"reflect"
	"strings"
)

// readState reads a written org piece by piece, so that the text of a large one does not
// stand in memory beside it.
func readState(r io.Reader) (*State, error) {
	dec := json.NewDecoder(r)
	dec.UseNumber()
	dec.DisallowUnknownFields()
	var s State
	if err := unstream(dec, reflect.ValueOf(&s).Elem(), stateDepth); err != nil {
		return nil, err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("there is more after the state")
	}
	if s.Objects.Info.ID == "" {
		return nil, errors.New("objects.info.id is missing")
	}
	return &s, nil
}

// unstream reads into v what stream wrote, piece by piece down to a depth, too. A field
// that the org does not have is an error, as is a hole in a list.
func unstream(dec *json.Decoder, v reflect.Value, depth int) error {
	switch {
	case depth > 0 && v.Kind() == reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		return unstream(dec, v.Elem(), depth)
	case depth > 0 && v.Kind() == reflect.Struct:
		return unstreamFields(dec, v, depth)
	case depth > 0 && v.Kind() == reflect.Slice:
		return unstreamElements(dec, v, depth)
	}
	if err := dec.Decode(v.Addr().Interface()); err != nil {
		return err
	}
	return filled(v)
}

func unstreamElements(dec *json.Decoder, v reflect.Value, depth int) error {
	began, err := dec.Token()
	if err != nil || began == nil {
		return err
	}
	if began != json.Delim('[') {
		return errors.New("not a list")
	}
	for dec.More() {
		element := reflect.New(v.Type().Elem()).Elem()
		if err := unstream(dec, element, depth-1); err != nil {
			return fmt.Errorf("%d: %w", v.Len(), err)
		}
		v.Set(reflect.Append(v, element))
	}
	_, err = dec.Token()
	return err
}

func unstreamFields(dec *json.Decoder, v reflect.Value, depth int) error {
	began, err := dec.Token()
	if err != nil {
		return err
	}
	if began != json.Delim('{') {
		return errors.New("not an object")
	}
	for dec.More() {
		name, err := dec.Token()
		if err != nil {
			return err
		}
		field := fieldNamed(v, fmt.Sprint(name))
		if !field.IsValid() {
			return fmt.Errorf("%v: there is no such field", name)
		}
		if err := unstream(dec, field, depth-1); err != nil {
			return fmt.Errorf("%v: %w", name, err)
		}
	}
	_, err = dec.Token()
	return err
}

func fieldNamed(v reflect.Value, name string) reflect.Value {
	for i := range v.NumField() {
		if own, _, _ := strings.Cut(v.Type().Field(i).Tag.Get("json"), ","); own == name {
			return v.Field(i)
		}
	}
	return reflect.Value{}
}

// errHole is null where an object must be.
var errHole = errors.New("null in place of an object")

// filled finds holes in the lists and maps of objects below v.
func filled(v reflect.Value) error {
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() {
			return errHole
		}
		return filled(v.Elem())
	case reflect.Struct:
		return fieldsFilled(v)
	case reflect.Slice, reflect.Map:
		return elementsFilled(v.Seq2(), v.Type().Elem())
	}
	return nil
}

// fieldsFilled leaves out pointers that are there for the sake of null, but not embedded ones.
func fieldsFilled(v reflect.Value) error {
	for i := range v.NumField() {
		f := v.Type().Field(i)
		if !f.IsExported() || f.Type.Kind() == reflect.Pointer && !f.Anonymous {
			continue
		}
		if err := filled(v.Field(i)); err != nil {
			return err
		}
	}
	return nil
}

func elementsFilled(elements iter.Seq2[reflect.Value, reflect.Value], kind reflect.Type) error {
	switch kind.Kind() {
	case reflect.Pointer, reflect.Struct, reflect.Slice, reflect.Map:
	default:
		return nil
	}
	for at, e := range elements {
		if err := filled(e); err != nil {
			return fmt.Errorf("%v: %w", at, err)
		}
	}
	return nil
}
