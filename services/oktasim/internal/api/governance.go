package api

import (
	"net/url"

	"imago/services/oktasim/internal/doc"
	"imago/services/oktasim/internal/org"
)

// governanceOperations are those of governance that lie on other paths than their objects.
func governanceOperations() []operation {
	const entry = "/governance/api/v2/my/catalogs/default/entries/{entryId}"
	fields := func(path string) operation {
		return operation{method: "GET", path: path, scope: "okta.accessRequests.catalog.read", area: org.AreaOrg, run: showRequestFields}
	}
	return []operation{
		fields(entry + "/request-fields"), fields(entry + "/users/{userId}/request-fields"),
		fields("/governance/api/v2/catalogs/default/entries/{entryId}/users/{userId}/request-fields"),
		{
			method: "DELETE", path: "/governance/api/v2/request-sequences/{sequenceId}", scope: "okta.accessRequests.condition.manage",
			area: org.AreaOrg, write: true, run: deleteSequence,
		},
		{
			method: "POST", path: "/governance/api/v1/campaigns/{campaignId}/reviews/reassign", scope: "okta.governance.accessCertifications.manage",
			area: org.AreaOrg, write: true, run: reassignReviews,
		},
		{
			method: "PATCH", path: "/governance/api/v1/principal-settings/{userId}", scope: "okta.governance.principalSettings.manage",
			area: org.AreaOrg, write: true, run: appoint,
		},
	}
}

// dataPage is how governance lists what is not of a kind.
var dataPage = org.Page{Default: 20, Max: 200, Envelope: "data", Hinted: true}

// governed fails unless the org has governance.
func (c *call) governed() error { return c.org.Offers(org.KindNamed("delegates")) }

func showRequestFields(c *call) error {
	if err := c.governed(); err != nil {
		return err
	}
	return c.show(c.org.RequestFields(c.params["entryId"]))
}

func deleteSequence(c *call) error {
	if err := c.governed(); err != nil {
		return err
	}
	return c.done(c.org.DeleteSequence(c.params["sequenceId"], org.Request{By: c.cause()}))
}

func appoint(c *call) error {
	if err := c.governed(); err != nil {
		return err
	}
	given, err := c.object()
	if err != nil {
		return err
	}
	var answer doc.Doc
	answer, err = c.org.Appoint(c.params["userId"], org.Request{By: c.cause(), Given: given})
	return c.show(answer, err)
}

func reassignReviews(c *call) error {
	if err := c.governed(); err != nil {
		return err
	}
	campaign, err := c.org.FindObject(org.KindNamed("campaigns"), []string{c.params["campaignId"]})
	if err != nil {
		return err
	}
	r, err := c.required(org.KindNamed("campaigns"))
	if err != nil {
		return err
	}
	reviews, err := c.org.Reassign(campaign, r)
	if err != nil {
		return err
	}
	return c.show(doc.Doc{"data": reviews, "_links": doc.Doc{
		"self":    doc.Doc{"href": c.org.Base() + c.r.URL.EscapedPath()},
		"reviews": doc.Doc{"href": c.org.Base() + "/governance/api/v1/reviews?filter=" + url.PathEscape(`campaignId eq "`+campaign.ID+`"`)},
	}}, nil)
}
