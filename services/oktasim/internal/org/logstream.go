package org

import "imago/services/oktasim/internal/doc"

// logStreamKinds are the log streams. They take what they are given as it is: nothing is sent.
func logStreamKinds() []Kind {
	aws, splunk := is("type", "aws_eventbridge"), is("type", "splunk_cloud_logstreaming")
	return []Kind{{
		Name: "log_streams", Path: "/api/v1/logStreams/{logStreamId}", Prefix: "0oa", Class: "LogStream",
		Scope: "okta.logStreams", Area: AreaOrg,
		Verbs: crud(200), Operations: switches(200, Nothing),
		Page:   Page{Default: 20, Max: 200, Filter: []string{"type", "status"}},
		Stamps: dated,
		Fields: []Field{
			{Path: "type", Required: true, Enum: []string{"aws_eventbridge", "splunk_cloud_logstreaming"}, Mode: Fixed, Keep: true},
			{Path: "name", Required: true, Unique: InOrg, Max: 255},
			{Path: "status", Mode: ReadOnly, Default: Active},
			{Path: "settings", Type: Map, Required: true, Example: doc.Doc{"accountId": "123456789012", "eventSourceName": "events", "region": "eu-west-1"}},
			{Path: "settings.accountId", Required: true, Pattern: `[0-9]{12}`, Mode: Immutable, When: aws},
			{Path: "settings.eventSourceName", Required: true, Max: 75, Mode: Immutable, When: aws},
			{Path: "settings.region", Required: true, Mode: Immutable, When: aws},
			{Path: "settings.host", Required: true, When: splunk},
			{Path: "settings.edition", Required: true, Enum: []string{"aws", "aws_govcloud", "gcp"}, When: splunk},
			{Path: "settings.token", Mode: WriteOnly, When: splunk},
		},
		Links: []Link{self("GET")}, LinkStyle: Method,
		Events: present("system.log_stream.lifecycle"),
	}}
}
