// Package proto holds the contract of the api, and its description in OpenAPI.
package proto

import _ "embed"

// OpenAPI describes the REST side of the api, OpenAPI 3 in YAML.
//
//go:embed openapi.yaml
var OpenAPI []byte
