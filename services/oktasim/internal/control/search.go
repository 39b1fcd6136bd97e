package control

import (
	"net/http"
	"time"

	"imago/services/oktasim/internal/doc"
	"imago/services/oktasim/internal/fault"
)

// showSearch tells how long search takes to follow changes.
func (s *Server) showSearch(*http.Request) (any, error) {
	var lag time.Duration
	err := s.host.Org.View(func() error {
		lag = s.host.Org.SearchLag()
		return nil
	})
	return doc.Doc{"lag": lag.String()}, err
}

func (s *Server) setSearch(r *http.Request) (any, error) {
	var body struct {
		Lag fault.Duration `json:"lag"`
	}
	if err := read(r, &body); err != nil {
		return nil, err
	}
	if err := s.host.Org.Update(func() error { return s.host.Org.SetSearchLag(time.Duration(body.Lag)) }); err != nil {
		return nil, err
	}
	return s.showSearch(r)
}
