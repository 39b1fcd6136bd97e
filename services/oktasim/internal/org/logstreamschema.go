package org

import (
	"imago/services/oktasim/internal/doc"
	"imago/services/oktasim/internal/failure"
)

// logStreamSchemas say what the settings of each type of log stream are, in the words of
// Okta's published answers. Those are older than the edition.
func logStreamSchemas() []logStreamSchema {
	return []logStreamSchema{
		{
			"aws_eventbridge", "AWS EventBridge",
			[]streamSetting{
				{
					name: "accountId", title: "AWS Account ID", description: "Your Amazon AWS Account ID.",
					pattern: `^\d{12}$`, refusal: "Account number must be 12 digits.", once: true,
				},
				{
					name: "eventSourceName", title: "AWS Event Source Name", once: true,
					description: "An alphanumeric name (no spaces) to identify this event source in AWS EventBridge.", pattern: `^[\.\-_A-Za-z0-9]{1,75}$`,
					refusal: `Event source name can use numbers, letters, the symbols ".", "-" or "_". It must use fewer than 76 characters.`,
				},
				{
					name: "region", title: "AWS Region", description: "The destination AWS region for your system log events.",
					once: true, values: awsRegions(),
				},
			},
		},
		{
			"splunk_cloud_logstreaming", "Splunk Cloud",
			[]streamSetting{
				{
					name: "host", title: "Host", pattern: `^([a-z0-9]+(-[a-z0-9]+)*){1,100}\.splunkcloud(gc|fed)?\.com$`,
					description: "The domain for your Splunk Cloud instance without http or https. For example: acme.splunkcloud.com",
					refusal:     "Host should be a domain without http or https. For example: acme.splunkcloud.com",
				},
				{name: "edition", title: "Splunk edition", values: [][2]string{{"aws", "AWS"}, {"gcp", "GCP"}, {"aws_govcloud", "AWS GovCloud"}}},
				{
					name: "token", title: "HEC Token", description: "The token from your Splunk Cloud HTTP Event Collector (HEC).",
					pattern: `[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}`,
				},
			},
		},
	}
}

// logStreamSchema is the schema of one type, streamSetting one setting of it: its pattern and
// what is said of values that miss it, whether it is for ever, and what it may be.
type logStreamSchema struct {
	name, title string
	settings    []streamSetting
}

type streamSetting struct {
	name, title, description, pattern, refusal string

	once   bool
	values [][2]string
}

// awsRegions are those to which Okta sends events.
func awsRegions() [][2]string {
	return [][2]string{
		{"us-east-1", "US East (N. Virginia)"}, {"us-east-2", "US East (Ohio)"}, {"us-west-1", "US West (N. California)"}, {"us-west-2", "US West (Oregon)"},
		{"ca-central-1", "Canada (Central)"}, {"eu-central-1", "Europe (Frankfurt)"}, {"eu-north-1", "Europe (Stockholm)"},
		{"eu-south-1", "Europe (Milan)"}, {"eu-west-1", "Europe (Ireland)"}, {"eu-west-2", "Europe (London)"}, {"eu-west-3", "Europe (Paris)"},
	}
}

// LogStreamSchemas are the schemas of all types.
func (o *Org) LogStreamSchemas() []any {
	list := []any{}
	for _, s := range logStreamSchemas() {
		list = append(list, s.body(o.base))
	}
	return list
}

// LogStreamSchema is the schema of one type.
func (o *Org) LogStreamSchema(name string) (doc.Doc, error) {
	for _, s := range logStreamSchemas() {
		if s.name == name {
			return s.body(o.base), nil
		}
	}
	return nil, failure.NotFound(name, "LogStreamSchema")
}

func (s logStreamSchema) body(base string) doc.Doc {
	properties, refusals, required := doc.Doc{}, doc.Doc{}, []any{}
	for _, p := range s.settings {
		properties[p.name] = p.body()
		required = append(required, p.name)
		if p.refusal != "" {
			refusals[p.name] = p.refusal
		}
	}
	self := base + "/api/v1/meta/schemas/logStream/" + s.name
	return doc.Doc{
		"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": self, "title": s.title, "type": "object",
		"properties": doc.Doc{
			"name": doc.Doc{"title": "Name", "description": "A name for this log stream in Okta", "type": "string", "writeOnce": false, "pattern": "^.{1,100}$"},
			"settings": doc.Doc{
				"description": "Configuration properties specific to " + s.title, "type": "object",
				"properties": properties, "required": required, "errorMessage": doc.Doc{"properties": refusals},
			},
		},
		"required": doc.Array("name", "settings"), "errorMessage": doc.Doc{"properties": doc.Doc{"name": "Name can't exceed 100 characters."}},
	}
}

func (p streamSetting) body() doc.Doc {
	body := doc.Doc{"title": p.title, "type": "string", "writeOnce": p.once}
	for field, text := range map[string]string{"description": p.description, "pattern": p.pattern} {
		if text != "" {
			body[field] = text
		}
	}
	var choices []any
	for _, v := range p.values {
		choices = append(choices, doc.Doc{"const": v[0], "title": v[1]})
	}
	if choices != nil {
		body["oneOf"] = choices
	}
	return body
}
