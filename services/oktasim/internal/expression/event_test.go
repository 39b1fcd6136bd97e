package expression_test

import (
	"testing"

	"imago/services/oktasim/internal/expression"
)

type record map[string]any

func (r record) Attribute(name string) any { return r[name] }

func TestEventFilters(t *testing.T) {
	t.Parallel()
	event := record{
		"eventType": "group.user_membership.add", "outcome.result": "SUCCESS", "outcome.reason": "INVALID_CREDENTIALS: no",
		"actor.id": "00u1", "debugData.changedAttributes": "firstName,title",
		"target": []expression.Thing{
			record{"id": "00u2", "type": "User", "alternateId": "ada@example.com"},
			record{"id": "00g1", "type": "UserGroup", "displayName": "Sales"},
		},
	}
	for text, want := range map[string]bool{
		// The forms of Okta's guides.
		`event.target.?[type eq 'UserGroup' && displayName eq 'Sales'].size()> 0`:                                     true,
		`event.target.?[type eq 'UserGroup'].size()>0 && event.target.?[displayName eq 'Marketing'].size()>0`:         false,
		`event.target.?[type eq 'AppInstance'].size() >0 OR event.target.?[type eq 'User' && id eq '00u2'].size() >0`: true,
		`event.target.?[alternateId eq 'ada@example.com'].size()>0`:                                                   true,
		`event.outcome.reason.contains('INVALID_CREDENTIALS')`:                                                        true,
		`event.debugData.changedAttributes.contains('login')`:                                                         false,
		`event.eventType eq 'UserGroup'`:                                                                              false,
		`event.actor.id != null`:                                                                                      true,
		`event.actor.alternateId != null`:                                                                             false,
		`!(event.outcome.result ne 'SUCCESS')`:                                                                        true,
		`event.target.?[type eq 'UserGroup' && displayName ne 'Sales'].size() == 0`:                                   true,
	} {
		f, err := expression.ParseEvent(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if got := f.Matches(event); got != want {
			t.Errorf("%s is %v", text, got)
		}
	}
}

func TestEventFiltersThatAreNone(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"", "event", "event.target", "event.target.?[type eq 'User']", "event.target.?[type eq 'User'].size()", "user.login eq 'a'",
		"event.client.ipAddress eq '1.2.3.4'", "event.target.?[type eq 'User'.size()>0", "event.target.?[event.actor.id eq 'a'].size()>0",
		"event.target.first() eq 'a'", "event.outcome.result eq", "'yes'",
	} {
		if _, err := expression.ParseEvent(text); err == nil {
			t.Errorf("%q was taken", text)
		}
	}
}
