package control

import (
	"errors"
	"net/http"
	"time"

	"imago/services/oktasim/internal/doc"
	"imago/services/oktasim/internal/fault"
	"imago/services/oktasim/internal/org"
)

// disturbLog lets coming events reach the log late, or twice.
func (s *Server) disturbLog(r *http.Request) (any, error) {
	var body struct {
		EventType string         `json:"eventType"`
		Late      fault.Duration `json:"late"`
		Duplicate bool           `json:"duplicate"`
		Count     int            `json:"count"`
	}
	if err := read(r, &body); err != nil {
		return nil, err
	}
	d := org.Disorder{
		EventType: body.EventType, Late: time.Duration(body.Late).Milliseconds(), Duplicate: body.Duplicate, Count: body.Count,
	}
	if err := s.host.Org.Update(func() error { return s.host.Org.Disturb(d) }); err != nil {
		return nil, err
	}
	return s.showDisorder(r)
}

func (s *Server) showDisorder(*http.Request) (any, error) {
	out := doc.Doc{}
	err := s.host.Org.View(func() error {
		out["disorder"], out["held"] = s.host.Org.Disorders(), s.host.Org.HeldEvents()
		return nil
	})
	return out, err
}

func (s *Server) calmLog(r *http.Request) (any, error) {
	err := s.host.Org.Update(func() error {
		s.host.Org.CalmDown()
		return nil
	})
	if err != nil {
		return nil, err
	}
	return s.showDisorder(r)
}

// fillLog adds sign-ins of the past to the log, as many as asked for.
func (s *Server) fillLog(r *http.Request) (any, error) {
	var body struct {
		Events int            `json:"events"`
		Over   fault.Duration `json:"over"`
	}
	if err := read(r, &body); err != nil {
		return nil, err
	}
	switch {
	case body.Events < 1 || body.Events > 1_000_000:
		return nil, errors.New("events: give a number between 1 and 1000000")
	case body.Over <= 0:
		return nil, errors.New("over: give the time over which they spread, such as 24h")
	}
	out := doc.Doc{}
	err := s.host.Org.Update(func() error {
		err := s.host.Org.FillLog(body.Events, time.Duration(body.Over))
		out["events"] = s.host.Org.Counts()["events"]
		return err
	})
	return out, err
}
