package control

import (
	"fmt"
	"net/http"
	"slices"

	"imago/services/oktasim/internal/doc"
	"imago/services/oktasim/internal/org"
)

// listFeatures says which features there are and which of them the org lacks.
func (s *Server) listFeatures(*http.Request) (any, error) {
	lacks := []string{}
	err := s.host.Org.View(func() error {
		lacks = append(lacks, s.host.Org.Info().Unlicensed...)
		return nil
	})
	return doc.Doc{"features": org.FeatureNames(), "unlicensed": lacks}, err
}

// setFeature grants or withdraws a feature.
func (s *Server) setFeature(r *http.Request) (any, error) {
	var body struct {
		Name string `json:"name"`
		On   *bool  `json:"on"`
	}
	if err := read(r, &body); err != nil {
		return nil, err
	}
	if body.On == nil {
		return nil, fmt.Errorf("on: must be true or false")
	}
	if !slices.Contains(org.FeatureNames(), body.Name) {
		return nil, fmt.Errorf("name: there is no feature %q; GET /control/v1/features lists them", body.Name)
	}
	err := s.host.Org.Update(func() error {
		s.host.Org.SetLicensed(body.Name, *body.On)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return s.listFeatures(r)
}
