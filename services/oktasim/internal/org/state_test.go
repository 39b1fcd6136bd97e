package org

import (
	"bytes"
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"imago/services/oktasim/internal/clock"
	"imago/services/oktasim/internal/doc"
)

func furnished(t *testing.T) *Org {
	t.Helper()
	o, err := New(clock.New(func() time.Time { return Founded.Add(time.Hour) }), Options{Seed: 5})
	if err != nil {
		t.Fatal(err)
	}
	by := &Cause{Actor: Party{ID: "x", Type: "User"}, RequestID: "r"}
	err = o.Update(func() error {
		u, err := o.CreateUser(by, NewUser{Activate: true, Body: doc.Doc{"profile": doc.Doc{
			"login": "a@x.example", "email": "a@x.example", "firstName": "A", "department": "D"}}})
		if err != nil {
			return err
		}
		g, err := o.CreateGroup(by, doc.Doc{"profile": doc.Doc{"name": "G <&>"}})
		if err != nil {
			return err
		}
		r, err := o.CreateGroupRule(by, doc.Doc{"name": "R", "conditions": doc.Doc{"expression": doc.Doc{"value": `user.department=="D"`}},
			"actions": doc.Doc{"assignUserToGroups": doc.Doc{"groupIds": doc.Array(g.ID)}}})
		if err != nil {
			return err
		}
		a, err := o.CreateApp(by, doc.Doc{"name": "bookmark", "label": "B", "signOnMode": Bookmark,
			"settings": doc.Doc{"app": doc.Doc{"url": "https://x.example"}}}, true)
		if err != nil {
			return err
		}
		o.AssignGroup(by, a, g, doc.Doc{})
		if _, err := o.CreateToken(by, u, "t"); err != nil {
			return err
		}
		return o.ActivateGroupRule(by, r)
	})
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func dump(t *testing.T, o *Org) string {
	t.Helper()
	var b bytes.Buffer
	if err := o.WriteState(&b, true); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestStateRoundTrip(t *testing.T) {
	t.Parallel()
	o := furnished(t)
	want := dump(t, o)
	other, err := New(clock.New(func() time.Time { return Founded.Add(time.Hour) }), Options{Seed: 9})
	if err != nil {
		t.Fatal(err)
	}
	if err := other.ReadState(strings.NewReader(want)); err != nil {
		t.Fatal(err)
	}
	if got := dump(t, other); got != want {
		t.Errorf("the state came back different:\n%s\nwant\n%s", got, want)
	}
	// The restored org goes on as the first one would: rules and ids included.
	for _, x := range []*Org{o, other} {
		err := x.Update(func() error {
			u, err := x.User("a@x.example")
			if err != nil {
				return err
			}
			return x.UpdateUser(nil, u, doc.Doc{"profile": doc.Doc{"department": "E"}}, false)
		})
		if err != nil {
			t.Fatal(err)
		}
		if n := len(slices.Collect(x.GroupNamed("G <&>").MembersAfter(""))); n != 0 {
			t.Errorf("the rule kept %d members", n)
		}
	}
	if o.NewID("00u") != other.NewID("00u") {
		t.Error("the restored org makes other ids")
	}
}

func TestBadStateChangesNothing(t *testing.T) {
	t.Parallel()
	o := furnished(t)
	want := dump(t, o)
	for name, bad := range map[string]string{
		"no JSON":        "{",
		"no org":         "{}",
		"missing member": strings.Replace(want, `"members":[{"user":"00u`, `"members":[{"user":"00x`, 1),
		"cut":            want[:len(want)/2],
		"more":           want + "{}",
		"unknown field":  strings.Replace(want, `"group_rules":`, `"group_rulez":[],"group_rules":`, 1),
		"unknown detail": strings.Replace(want, `"statusChanged":`, `"statusChangd":null,"statusChanged":`, 1),
		"no user":        strings.Replace(want, `"users":[`, `"users":[null,`, 1),
		"no member":      strings.Replace(want, `"members":[`, `"members":[null,`, 1),
		"no event":       strings.Replace(want, `"log":[`, `"log":[{},`, 1),
		"no list":        strings.Replace(want, `"users":[`, `"users":{},"users":[`, 1),
		"no session":     strings.Replace(want, `"session":{"ids"`, `"session":null,"session":{"ids"`, 1),
		"bad rule":       strings.Replace(want, `user.department==`, `user.department=`, 1),
	} {
		if err := o.ReadState(strings.NewReader(bad)); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	if dump(t, o) != want {
		t.Error("a refused state changed the org")
	}
}

func TestRanking(t *testing.T) {
	t.Parallel()
	p := &Policy{Type: "ACCESS_POLICY", Rules: []*Rule{{Name: "a", Priority: 0}, {Name: "b", Priority: 1}, {Name: "c", Priority: 5}, {Name: "z", Priority: 99, System: true}}}
	p.rank(&Rule{Name: "n"}, 1, true)
	got := ""
	for _, r := range p.Rules {
		got += r.Name + itoa(r.Priority) + " "
	}
	if want := "a0 n1 b2 c5 z99 "; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// TestStateIsWrittenAsJSON compares what is written in pieces with what is written whole.
func TestStateIsWrittenAsJSON(t *testing.T) {
	t.Parallel()
	s := State{
		Objects: Objects{Info: Info{ID: "00o"}, Users: []*User{{ID: "a", Profile: doc.Doc{"login": "<a>"}}, {ID: "b"}}, Apps: []*App{}},
		Session: &Session{Log: []Arrival{{Event: &Event{UUID: "1"}}, {Event: &Event{UUID: "1"}, At: 7}}},
	}
	var got bytes.Buffer
	if err := stream(&got, reflect.ValueOf(s), stateDepth); err != nil {
		t.Fatal(err)
	}
	want, err := doc.Bytes(s)
	if err != nil {
		t.Fatal(err)
	}
	var compact bytes.Buffer
	if err := json.Compact(&compact, got.Bytes()); err != nil || compact.String() != string(want) {
		t.Errorf("%v\ngot  %s\nwant %s", err, compact.String(), want)
	}
}
