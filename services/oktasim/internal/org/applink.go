package org

import (
	"crypto/sha256"
	"encoding/hex"

	"imago/services/oktasim/internal/doc"
)

// AppLinks are the links on a person's dashboard: the doors of the active apps that the
// person has, in the order of the apps' ids (documented; the order is an assumption).
func (o *Org) AppLinks(u *User) []any {
	links := []any{}
	for id := range o.AppsAfter("") {
		a := o.apps[id]
		if a.Status != Active || a.assigned(o, u) == nil {
			continue
		}
		hidden := doc.Bool(a.Body, "visibility", "hide", "web")
		for _, d := range a.openDoors() {
			links = append(links, doc.Doc{
				"id": u.ID, "label": a.doorLabel(d), "linkUrl": o.door(a, d), "logoUrl": staticHost + a.Logo,
				"appName": a.Name, "appInstanceId": a.ID, "appAssignmentId": assignmentID(a, u),
				"credentialsSetup": false, "hidden": hidden, "sortOrder": len(links),
			})
		}
	}
	return links
}

// doorLabel is the app's label, with the door's name where there are several.
func (a *App) doorLabel(d Door) string {
	if len(a.Doors) < 2 {
		return a.Label
	}
	return a.Label + " " + d.Name
}

// assignmentID is the id of an assignment, which Okta shows here alone: it follows from what
// it joins.
func assignmentID(a *App, u *User) string {
	sum := sha256.Sum256([]byte(a.ID + u.ID))
	return "0ua" + hex.EncodeToString(sum[:])[:17]
}
