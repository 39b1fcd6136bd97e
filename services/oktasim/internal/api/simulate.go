package api

import (
	"slices"
	"strings"

	"imago/services/oktasim/internal/doc"
	"imago/services/oktasim/internal/failure"
)

// simulatePolicies answers which policies and rules would decide. The request is a list
// of sign-ins, the answer one list of evaluations (documented).
func simulatePolicies(c *call) error {
	if !c.org.IsOIE() {
		return failure.NotLicensed()
	}
	parsed, err := doc.Parse(c.body)
	if err != nil {
		return failure.Malformed()
	}
	list, ok := parsed.([]any)
	if !ok {
		return failure.Malformed()
	}
	evaluated := slices.Contains(strings.Split(c.query.Get("expand"), ","), "EVALUATED")
	evaluations := []any{}
	for _, e := range list {
		body, ok := e.(doc.Doc)
		if !ok {
			return failure.Malformed()
		}
		s, err := c.org.NewSimulation(body)
		if err != nil {
			return err
		}
		evaluations = append(evaluations, c.org.Simulate(s, evaluated)...)
	}
	return c.array(evaluations)
}
