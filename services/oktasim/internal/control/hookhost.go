package control

import (
	"net/http"

	"imago/services/oktasim/internal/doc"
)

func (s *Server) listHookHosts(*http.Request) (any, error) {
	return doc.Doc{"hosts": s.host.Hooks.Hosts()}, nil
}

// leadHookHost leads calls of hooks at a host to a loopback URL; an empty one ends that.
func (s *Server) leadHookHost(r *http.Request) (any, error) {
	var body struct {
		Host string `json:"host"`
		URL  string `json:"url"`
	}
	if err := read(r, &body); err != nil {
		return nil, err
	}
	if err := s.host.Hooks.Lead(body.Host, body.URL); err != nil {
		return nil, err
	}
	return s.listHookHosts(r)
}
