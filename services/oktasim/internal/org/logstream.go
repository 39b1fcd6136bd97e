package org

import "imago/services/oktasim/internal/doc"

// logStreamKinds are the log streams. They take what they are given as it is: nothing is sent.
func logStreamKinds() []Kind {
	awsRegions := []string{
		"ap-northeast-1", "ap-northeast-2", "ap-northeast-3", "ap-south-1", "ap-southeast-1", "ap-southeast-2", "ca-central-1", "eu-central-1",
		"eu-north-1", "eu-west-1", "eu-west-2", "eu-west-3", "sa-east-1", "us-east-1", "us-east-2", "us-west-1", "us-west-2",
	}
	aws, splunk := is("type", "aws_eventbridge"), is("type", "splunk_cloud_logstreaming")
	return []Kind{{
		Name: "log_streams", Path: "/api/v1/logStreams/{logStreamId}", Prefix: "0oa", Class: "LogStream",
		Scope: "okta.logStreams", Area: AreaLogStreams,
		Verbs: crud(200), Operations: switches(200, Nothing),
		Page:   Page{Default: 20, Max: 200, Filter: []string{"type", "status"}},
		Stamps: dated,
		Fields: []Field{
			{Path: "type", Required: true, Enum: []string{"aws_eventbridge", "splunk_cloud_logstreaming"}, Mode: Fixed, Keep: true},
			{Path: "name", Required: true, Unique: InOrg, Max: 100},
			{Path: "status", Mode: ReadOnly, Default: Active},
			{Path: "settings", Type: Map, Required: true, Example: doc.Doc{"accountId": "123456789012", "eventSourceName": "events", "region": "eu-west-1"}},
			// Documented: what is written once must be given again, and be the same.
			{Path: "settings.accountId", Required: true, Pattern: `[0-9]{12}`, Mode: Fixed, When: aws},
			{Path: "settings.eventSourceName", Required: true, Pattern: `[a-zA-Z0-9._-]{1,75}`, Mode: Fixed, When: aws},
			{Path: "settings.region", Required: true, Enum: awsRegions, Mode: Fixed, When: aws},
			{Path: "settings.host", Required: true, Pattern: `([a-z0-9]+(-[a-z0-9]+)*){1,100}\.splunkcloud(gc|fed)?\.com`, When: splunk},
			{Path: "settings.edition", Required: true, Enum: []string{"aws", "aws_govcloud", "gcp"}, When: splunk},
			{Path: "settings.token", Required: true, Mode: WriteOnly, When: splunk},
		},
		Links: []Link{self("GET")}, LinkStyle: Method,
		Events: present("system.log_stream.lifecycle"),
	}}
}
