package control

import (
	"errors"
	"fmt"
	"net/http"

	"imago/services/oktasim/internal/doc"
	"imago/services/oktasim/internal/limit"
)

// limits is what a request may say of rate limits. What it does not name stays.
type limits struct {
	Bucket      string  `json:"bucket"`
	Limit       *int    `json:"limit"`
	Others      *int    `json:"others"`
	Multiplier  float64 `json:"multiplier"`
	Share       float64 `json:"share"`
	Concurrency int     `json:"concurrency"`
	Busy        *int    `json:"busy"`
}

func (b limits) check() error {
	negative := func(n *int) bool { return n != nil && *n < 0 }
	switch {
	case negative(b.Limit) || negative(b.Others) || negative(b.Busy) || b.Multiplier < 0 || b.Concurrency < 0 || b.Share < 0 || b.Share > 1:
		return errors.New("limit, others, busy, multiplier and concurrency cannot be negative; share is between 0 and 1")
	case (b.Limit != nil || b.Others != nil) != (b.Bucket != ""):
		return errors.New("a bucket needs a limit or others, and they need a bucket")
	case b.Bucket != "" && !limit.IsBucket(b.Bucket):
		return fmt.Errorf("bucket: there is none %q; GET /control/v1/requests names those that were used", b.Bucket)
	}
	return nil
}

// setLimits changes the limits, and the traffic of others that uses them too.
func (s *Server) setLimits(r *http.Request) (any, error) {
	var body limits
	if err := read(r, &body); err != nil {
		return nil, err
	}
	if err := body.check(); err != nil {
		return nil, err
	}
	l := s.host.Limits
	l.Configure(limit.Options{Multiplier: body.Multiplier, Share: body.Share, Concurrency: body.Concurrency})
	if body.Limit != nil {
		l.Override(body.Bucket, *body.Limit)
	}
	if body.Others != nil {
		l.Burden(body.Bucket, *body.Others)
	}
	if body.Busy != nil {
		l.Occupy(*body.Busy)
	}
	l.Reset()
	return doc.Doc{"ok": true}, nil
}
