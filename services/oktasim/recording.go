package main

import (
	"errors"
	"fmt"
	"net/http"
	"os"

	"imago/services/oktasim/internal/record"
)

// recording writes down what the org is asked and answers, if a file is named for it;
// written closes that and says what went wrong.
func recording(org http.Handler, c Config) (h http.Handler, written func() error, err error) {
	if c.Record == "" {
		return org, func() error { return nil }, nil
	}
	f, err := os.OpenFile(c.Record, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, nil, fmt.Errorf("record: %w", err)
	}
	r := record.New(org, f, "serve", c.Engine)
	return r, func() error { return errors.Join(r.Err(), f.Close()) }, nil
}
