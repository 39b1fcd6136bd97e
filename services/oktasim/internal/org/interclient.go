package org

import (
	"slices"

	"imago/services/oktasim/internal/doc"
	"imago/services/oktasim/internal/failure"
)

// Trust lets another app sign people in to this one (documented, no recording).
type Trust struct {
	ID      string `json:"id"`
	App     string `json:"app"`
	Created Stamp  `json:"created"`
	By      string `json:"by"`
}

// AllowedApps are the ids of the apps that may sign people in to a.
func (a *App) AllowedApps() []any {
	ids := []any{}
	for _, t := range a.Trusts {
		ids = append(ids, t.App)
	}
	return ids
}

// TargetApps are the ids of the apps to which a may sign people in.
func (o *Org) TargetApps(a *App) []any {
	ids := []any{}
	for id := range o.appOrder.all() {
		if slices.ContainsFunc(o.apps[id].Trusts, func(t *Trust) bool { return t.App == a.ID }) {
			ids = append(ids, id)
		}
	}
	return ids
}

// AllowApp lets another app sign people in to a.
func (o *Org) AllowApp(by *Cause, a *App, id string) (doc.Doc, error) {
	if id == "" {
		return nil, failure.Missing("id")
	}
	if _, err := o.App(id); err != nil {
		return nil, err
	}
	if slices.ContainsFunc(a.Trusts, func(t *Trust) bool { return t.App == id }) {
		return nil, failure.Taken("id")
	}
	t := &Trust{ID: o.ids.ID("itm"), App: id, Created: o.stamp(), By: by.Actor.ID}
	a.Trusts = append(a.Trusts, t)
	o.Note(by, "app.interclient_mapping.create", nil, a.Party(), o.apps[id].Party())
	return doc.Doc{
		"id": t.ID, "orgId": o.info.ID, "appInstanceId": a.ID, "trustedAppInstanceId": id,
		"created": t.Created, "lastUpdated": t.Created, "lastUpdatedBy": t.By,
	}, nil
}

// DisallowApp ends that.
func (o *Org) DisallowApp(by *Cause, a *App, id string) error {
	i := slices.IndexFunc(a.Trusts, func(t *Trust) bool { return t.App == id })
	if i < 0 {
		return failure.NotFound(id, "InterclientTrustMapping")
	}
	a.Trusts = slices.Delete(a.Trusts, i, i+1)
	o.Note(by, "app.interclient_mapping.delete", nil, a.Party())
	return nil
}

// dropTrusts forgets an app that is no more.
func (o *Org) dropTrusts(id string) {
	for _, a := range o.apps {
		a.Trusts = slices.DeleteFunc(a.Trusts, func(t *Trust) bool { return t.App == id })
	}
}
