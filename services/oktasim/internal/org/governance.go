package org

import (
	"strings"

	"imago/services/oktasim/internal/doc"
)

// governanceKinds are the types of identity governance.
func governanceKinds() []Kind {
	return []Kind{
		entitlements(), entitlementBundles(), grants(), campaigns(), reviews(), collections(), collectionResources(), collectionAssignments(), riskRules(), delegates(),
		requestConditions(), requestSequences(), requestSettings(), orgRequestSettings(),
		catalogEntries("catalog_entries", catalogPath), catalogEntries("my_catalog_entries", myCatalogPath), myRequests(),
	}
}

const (
	governance   = "identity_governance"
	governedPath = "/governance/api/v2/resources/{resourceId}"
)

// governanceStamps are the times and people of most types of governance.
var governanceStamps = Stamps{Created: "created", Updated: "lastUpdated", CreatedBy: "createdBy", UpdatedBy: "lastUpdatedBy", Layout: Seconds}

// governancePage is how most types of governance are listed.
func governancePage() Page {
	return Page{Default: 20, Max: 200, Envelope: "data", BodyLinks: true, Hinted: true, Filter: []string{"*"}}
}

// governed is a link as governance writes it: with hints that say nothing (recorded).
func governed(href string) doc.Doc { return doc.Doc{"href": href, "hints": doc.Doc{}} }

// governedLinks puts the links that v.Body needs in governance's form: hints that say nothing
// (recorded).
func governedLinks(v *View) {
	v.Body["_links"] = doc.Doc{"self": governed(v.Self)}
}

// appNameAt makes a default of Okta's name for the app whose id stands at a path (recorded).
func appNameAt(path string) func(*Change) any {
	return func(c *Change) any { return c.Org.appResource(textOf(get(c.Body, path))) }
}

func (o *Org) appResource(id string) string {
	name := "app"
	if a, err := o.App(id); err == nil {
		name = a.Name
	}
	return "orn:okta:idp:" + o.info.ID + ":apps:" + name + ":" + id
}

// userResource is Okta's name for a person (documented).
func (o *Org) userResource(id string) string {
	return "orn:okta:directory:" + o.info.ID + ":users:" + id
}

// governedApp finds the app that a resource of governance is: no other resources have
// conditions or settings. Governance knows apps by their ids alone, so that any app's id is
// taken (an assumption).
func governedApp(o *Org, key string) (string, error) {
	const length = 20
	if strings.HasPrefix(key, "0oa") && len(key) == length {
		return key, nil
	}
	a, err := o.App(key)
	if err != nil {
		return "", err
	}
	return a.ID, nil
}

// adoptGoverned makes the app that a governed resource is.
func adoptGoverned(o *Org, ids []string, _ doc.Doc) error {
	if _, err := o.App(ids[0]); err == nil {
		return nil
	}
	return adoptApp(o, ids, doc.Doc{})
}
