package org

import (
	"fmt"
	"net/url"
	"slices"
	"time"
	_ "time/tzdata" // zones are part of campaigns, whatever the machine knows of them

	"imago/services/oktasim/internal/doc"
	"imago/services/oktasim/internal/failure"
)

// campaigns have somebody review who has access to what. They do not start and end by
// themselves in the simulator.
func campaigns() Kind {
	scheduled, running := is("status", "SCHEDULED"), is("status", Active)
	return Kind{
		Name: "campaigns", Path: "/governance/api/v1/campaigns/{campaignId}", Prefix: "ici", Class: "Campaign",
		Scope: "okta.governance.accessCertifications", Area: AreaOrg, Feature: governance,
		Verbs: Verbs{List: true, Get: true, Create: 201, Delete: 204}, Page: governancePage(), Stamps: governanceStamps,
		Operations: []Operation{
			{Name: "launch", Path: "launch", When: scheduled, Else: notIn("SCHEDULED"), Set: doc.Doc{"status": Active}, Status: 202, Answer: Nothing, Link: "-"},
			{Name: "end", Path: "end", When: running, Else: notIn(Active), Set: doc.Doc{"status": "COMPLETED"}, Status: 202, Answer: Nothing, Link: "-"},
		},
		Fields: []Field{
			{Path: "name", Required: true, Max: 255},
			{Path: "description", Max: 1000},
			{Path: "campaignType", Enum: []string{"RESOURCE", "USER"}, Default: "RESOURCE"},
			{Path: "scheduleSettings", Type: Map, Required: true, Example: doc.Doc{
				"type": "ONE_OFF", "startDate": "2026-05-04T08:00:00Z", "durationInDays": 21, "timeZone": "America/Vancouver",
			}},
			{Path: "scheduleSettings.type", Required: true, Enum: []string{"ONE_OFF", "RECURRING"}},
			{Path: "scheduleSettings.startDate", Required: true},
			{Path: "scheduleSettings.durationInDays", Type: Number, Required: true},
			{Path: "scheduleSettings.timeZone", Required: true, Max: 64},
			{Path: "resourceSettings", Type: Map, Required: true, Example: doc.Doc{"type": "APPLICATION"}},
			{Path: "resourceSettings.type", Required: true, Enum: []string{"GROUP", "APPLICATION", "APPLICATION_AND_GROUP"}},
			{Path: "principalScopeSettings", Type: Map, Default: doc.Doc{}},
			{Path: "principalScopeSettings.type", Enum: []string{"USERS"}, Default: "USERS"},
			{Path: "principalScopeSettings.excludedUserIds", Type: List, Default: []any{}},
			{Path: "principalScopeSettings.userIds", Type: List, Default: []any{}},
			{Path: "principalScopeSettings.groupIds", Type: List, Default: []any{}},
			{Path: "reviewerSettings", Type: Map, Required: true, Example: doc.Doc{"type": "USER", "reviewerId": "00u00000000000000000"}},
			{Path: "reviewerSettings.type", Required: true, Enum: []string{"USER", "REVIEWER_EXPRESSION", "GROUP", "RESOURCE_OWNER", "MULTI_LEVEL"}},
			{Path: "notificationSettings", Type: Map},
			{Path: "remediationSettings", Type: Map, Required: true, Example: doc.Doc{"accessApproved": "NO_ACTION", "accessRevoked": "NO_ACTION", "noResponse": "NO_ACTION"}},
			{Path: "remediationSettings.accessApproved", Required: true, Enum: []string{"NO_ACTION"}},
			{Path: "remediationSettings.accessRevoked", Required: true, Enum: []string{"NO_ACTION", "DENY"}},
			{Path: "remediationSettings.noResponse", Required: true, Enum: []string{"NO_ACTION", "DENY"}},
			{Path: "status", Mode: ReadOnly, Default: "SCHEDULED"},
		},
		// That a running campaign cannot be deleted is an assumption.
		Refusals: []Refusal{{On: []string{remove}, When: running, With: failure.Invalid("status", "status: An active campaign cannot be deleted")}},
		Check:    checkSchedule, Fill: fillSchedule, After: beginReviews, Show: showCampaign,
	}
}

func notIn(status string) *failure.Failure {
	return failure.Invalid("status", "status: The campaign is not "+status)
}

// schedule reads when and where a campaign begins, and for how many days.
func schedule(body doc.Doc) (start time.Time, days int, err error) {
	settings := doc.Object(body, "scheduleSettings")
	zone, err := time.LoadLocation(doc.String(settings, "timeZone"))
	if err != nil {
		return start, 0, failure.Invalid("scheduleSettings.timeZone", "scheduleSettings.timeZone: The time zone is not known")
	}
	start, err = time.Parse(time.RFC3339, doc.String(settings, "startDate"))
	if err != nil {
		return start, 0, failure.Invalid("scheduleSettings.startDate", "scheduleSettings.startDate: The value is not a date of ISO 8601")
	}
	days, whole := doc.Int(settings, "durationInDays")
	if !whole || days < 1 {
		return start, 0, failure.Invalid("scheduleSettings.durationInDays", "scheduleSettings.durationInDays: The value must be a positive number")
	}
	return start.In(zone), days, nil
}

func checkSchedule(c *Change) error {
	if c.Verb != create {
		return nil
	}
	_, _, err := schedule(c.Body)
	return err
}

// fillSchedule tells times in the campaign's zone; what happens once does not recur (recorded).
func fillSchedule(c *Change) error {
	start, days, err := schedule(c.Body)
	if err != nil {
		return err
	}
	settings := doc.Object(c.Body, "scheduleSettings")
	settings["startDate"], settings["endDate"] = start.Format(time.RFC3339), start.AddDate(0, 0, days).Format(time.RFC3339)
	if settings["type"] == "ONE_OFF" {
		delete(settings, "recurrence")
	}
	return nil
}

func showCampaign(v *View) {
	v.Body["_links"] = doc.Doc{
		"self": governed(v.Self), "launchCampaign": governed(v.Self + "/launch"), "endCampaign": governed(v.Self + "/end"),
		"reviews": governed(v.Org.base + "/governance/api/v1/reviews?filter=" + url.PathEscape(fmt.Sprintf("campaignId eq %q", v.Object.ID))),
	}
}

// reviews are the questions of campaigns: may this person keep that resource.
func reviews() Kind {
	return Kind{
		Name: "reviews", Path: "/governance/api/v1/reviews/{reviewId}", Prefix: "icr", Class: "Review",
		Scope: "okta.governance.accessCertifications", Area: AreaOrg, Feature: governance,
		Verbs: Verbs{List: true, Get: true}, Page: governancePage(), Stamps: governanceStamps,
		Fields: []Field{
			{Path: "campaignId", Ref: "campaigns", Gone: Follows},
			{Path: "resourceId"},
			{Path: "decision", Default: "UNREVIEWED"},
			{Path: "remediationStatus", Default: "NONE"},
			{Path: "principalProfile", Type: Map},
			{Path: "reviewerProfile", Type: Map},
			{Path: "reviewerType", Default: "USER"},
			{Path: "assignmentType", Default: "INDIVIDUAL"},
			{Path: "riskRuleConflicts", Type: List, Default: []any{}},
			{Path: "delegated", Type: Bool, Default: false},
			{Path: "note", Type: Map},
		},
		Show: func(v *View) {
			v.Body["_links"] = doc.Doc{
				"self":           governed(v.Self),
				"reassignReview": governed(v.Org.base + "/governance/api/v1/campaigns/" + v.Object.text("campaignId") + "/reviews/reassign"),
			}
		},
	}
}

// beginReviews asks, when a campaign is launched, about everybody who has one of its
// resources (an assumption: reviewers other than a user are not found).
func beginReviews(c *Change) {
	if c.Verb != "launch" {
		return
	}
	for _, v := range values(get(c.Body, "resourceSettings.targetResources")) {
		target, ok := v.(doc.Doc)
		if !ok {
			continue
		}
		id := doc.String(target, "resourceId")
		for _, user := range c.Org.holders(id) {
			if inScope(c.Body, user) {
				c.review(id, user)
			}
		}
	}
}

// holders are the people who have an app or are in a group.
func (o *Org) holders(resource string) []string {
	if a, err := o.App(resource); err == nil {
		return sortedKeys(a.Users)
	}
	if g, err := o.Group(resource); err == nil {
		return slices.Collect(g.order.all())
	}
	return nil
}

func inScope(body doc.Doc, user string) bool {
	only := texts(get(body, "principalScopeSettings.userIds"))
	return !slices.Contains(texts(get(body, "principalScopeSettings.excludedUserIds")), user) && (len(only) == 0 || slices.Contains(only, user))
}

func (c *Change) review(resource, user string) {
	o, k := c.Org, c.Org.kinds.named("reviews")
	made := o.change(k, &Object{}, create, Request{By: c.By})
	made.Body = doc.Doc{
		"campaignId": c.Object.ID, "resourceId": resource, "principalProfile": o.profileOf(user),
		"reviewerProfile": o.profileOf(textOf(get(c.Body, "reviewerSettings.reviewerId"))),
	}
	made.complete()
	made.Object.ID = o.ids.ID(k.Prefix)
	o.install(made)
}

// accountOf is profileOf with the login, which reviews do not show (recorded).
func (o *Org) accountOf(id string) doc.Doc {
	body := o.profileOf(id)
	if u, err := o.User(id); err == nil {
		body["login"] = u.Login()
	}
	return body
}

// Reassign lets another person do reviews of a running campaign that nobody has done
// (documented; the codes of refusals are assumptions). Two levels are not simulated.
func (o *Org) Reassign(campaign *Object, r Request) ([]any, error) {
	note, wanted := doc.String(r.Given, "note"), doc.Strings(r.Given, "reviewIds")
	if note == "" {
		return nil, failure.Missing("note")
	}
	if most := 50; len(wanted) == 0 || len(wanted) > most {
		return nil, failure.Invalid("reviewIds", "reviewIds: The number of elements must be between 1 and 50")
	}
	if campaign.Status() != Active {
		return nil, notIn(Active)
	}
	u, err := o.User(doc.String(r.Given, "reviewerId"))
	if err != nil {
		return nil, err
	}
	k, reviews := o.kinds.named("reviews"), []*Object{}
	for _, id := range wanted {
		x := o.object(k, id)
		if x == nil || x.text("campaignId") != campaign.ID {
			return nil, k.missing(id)
		}
		if x.text("decision") != "UNREVIEWED" {
			return nil, failure.Invalid("reviewIds", "reviewIds: The review "+id+" is done")
		}
		reviews = append(reviews, x)
	}
	shown := []any{}
	for _, x := range reviews {
		x.Body["reviewerProfile"], x.Body["reviewerType"], x.Body["note"] = o.profileOf(u.ID), "USER", doc.Doc{"fullText": note}
		o.change(k, x, merge, r).touch()
		o.Note(r.By, "access.review.update", nil, k.party(x), u.Party())
		shown = append(shown, o.Show(k, x, View{}, 0))
	}
	return shown, nil
}

// profileOf is a person as reviews show them.
func (o *Org) profileOf(id string) doc.Doc {
	u, err := o.User(id)
	if err != nil {
		return doc.Doc{"id": id}
	}
	activity := Inactive
	if u.Status == Active {
		activity = Active
	}
	return doc.Doc{
		"id": u.ID, "email": u.Profile["email"], "firstName": u.Profile["firstName"], "lastName": u.Profile["lastName"],
		"status": activity,
	}
}
