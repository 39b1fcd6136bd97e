// Command openapi adds to the generated description what the protos do not say: how
// to sign in, what an error looks like, and that a request may be sent again.
//
//	openapi proto/openapi.yaml
package main

import (
	"bytes"
	"fmt"
	"os"
	"strings"

	"gopkg.in/yaml.v3"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: openapi FILE")
		os.Exit(2)
	}
	if err := complete(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "openapi:", err)
		os.Exit(1)
	}
}

// public are the operations that need no session.
var public = map[string]bool{"SignInService_RequestCode": true, "SignInService_ExchangeCode": true}

// problemDocument is RFC 9457's, with our members.
const problemDocument = `
type: object
required: [type, title, status, detail]
properties:
  type: {type: string, description: Always about:blank.}
  title: {type: string}
  status: {type: integer}
  detail: {type: string, description: What is wrong.}
  kind: {type: string, enum: [invalid, not_found, conflict, denied, over_limit, unavailable, stale, step_up, damaged]}
  field: {type: string, description: The request's field that is wrong.}
  hint: {type: string, description: What to do about it.}
  request_id: {type: string, description: By which the operator finds the request in the log.}
description: A problem that a person can act on (RFC 9457).
`

const problemAnswer = `
description: Anything but success is a problem document.
content:
  application/problem+json:
    schema: {$ref: '#/components/schemas/ProblemDocument'}
`

const idempotencyKey = `
name: Idempotency-Key
in: header
description: >-
  Any text of up to 200 characters. The same request sent again with the same key
  within a day gets the same answer and changes nothing more.
schema: {type: string, maxLength: 200}
`

func complete(file string) error {
	raw, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	var doc yaml.Node
	if err := yaml.Unmarshal(raw, &doc); err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	if err := extend(doc.Content[0]); err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	var out bytes.Buffer
	enc := yaml.NewEncoder(&out)
	enc.SetIndent(2)
	if err := enc.Encode(&doc); err != nil {
		return err
	}
	return os.WriteFile(file, out.Bytes(), 0o644)
}

func extend(doc *yaml.Node) error {
	set(doc, "security", "[{session: []}]")
	components := get(doc, "components")
	set(components, "securitySchemes", "session: {type: http, scheme: bearer, description: The token that ExchangeCode answers.}")
	set(get(components, "schemas"), "ProblemDocument", problemDocument)
	paths := get(doc, "paths")
	if paths == nil {
		return fmt.Errorf("it has no paths")
	}
	for i := 1; i < len(paths.Content); i += 2 {
		operations := paths.Content[i]
		for j := 0; j < len(operations.Content); j += 2 {
			operation(operations.Content[j].Value, operations.Content[j+1])
		}
	}
	return nil
}

func operation(method string, op *yaml.Node) {
	id := get(op, "operationId").Value
	set(get(op, "responses"), "default", problemAnswer)
	switch {
	case public[id]:
		set(op, "security", "[]")
	case method != "get" && id != "SignInService_SignOut": // a session that has ended can ask nothing again
		if get(op, "parameters") == nil {
			set(op, "parameters", "[]")
			get(op, "parameters").Style = 0
		}
		list := get(op, "parameters")
		list.Content = append(list.Content, parse(idempotencyKey))
	}
}

// get finds a key's value in a mapping; nil if it is not there.
func get(mapping *yaml.Node, key string) *yaml.Node {
	for i := 0; i+1 < len(mapping.Content); i += 2 {
		if mapping.Content[i].Value == key {
			return mapping.Content[i+1]
		}
	}
	return nil
}

// set puts a value, written as YAML, under a key.
func set(mapping *yaml.Node, key, value string) {
	mapping.Content = append(mapping.Content, &yaml.Node{Kind: yaml.ScalarNode, Value: key}, parse(value))
}

// parse reads one of this program's own texts.
func parse(text string) *yaml.Node {
	var n yaml.Node
	if err := yaml.Unmarshal([]byte(strings.TrimSpace(text)), &n); err != nil {
		panic(err) // one of the constants above is no YAML
	}
	return n.Content[0]
}
