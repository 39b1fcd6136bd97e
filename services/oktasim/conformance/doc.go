// Package conformance holds the simulator against what Okta publishes and did not write
// for it: its OpenAPI description, and its SDKs for Go and Node.
//
// It is a module of its own, so that the simulator keeps its one dependency.
package conformance
