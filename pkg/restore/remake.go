package restore

import (
	"fmt"

	"imago/pkg/resource"
)

// remaking says of a type what no update can change.
type remaking struct {
	fields []resource.Path // that are set for good when the object is made
	dead   string          // a status that nothing leaves
}

// remakes are the types whose objects must sometimes be deleted and made again.
//
// https://developer.okta.com/docs/api/openapi/okta-management/management/tag/GroupRule/:
// the actions of a rule cannot be updated, and a rule whose group was deleted is
// INVALID for good.
var remakes = map[resource.Type]remaking{
	"group_rule": {fields: []resource.Path{"actions"}, dead: "INVALID"},
}

// remade reports whether the way from now to want leads through deleting.
func remade(t resource.Type, now, want []byte) (again bool, why string, err error) {
	r, ok := remakes[t]
	if !ok {
		return false, "", nil
	}
	status, err := resource.Path("status").Text(now)
	if err != nil {
		return false, "", err
	}
	if status == r.dead {
		return true, "it is " + status + ", and can only be made again", nil
	}
	for _, f := range r.fields {
		a, err := resource.Only(now, f)
		if err != nil {
			return false, "", err
		}
		b, err := resource.Only(want, f)
		if err != nil {
			return false, "", err
		}
		if string(a) != string(b) {
			return true, fmt.Sprintf("its %s cannot be changed, so it is made again", f), nil
		}
	}
	return false, "", nil
}

// revive gives an object that died of the loss the status back that it had.
func revive(t resource.Type, was, now, want []byte) ([]byte, error) {
	r, ok := remakes[t]
	if !ok {
		return want, nil
	}
	status, err := resource.Path("status").Text(now)
	if err != nil || status != r.dead {
		return want, err
	}
	values, err := resource.Path("status").Lookup(was)
	if err != nil || len(values) == 0 {
		return want, err
	}
	return resource.With(want, "status", values[0].JSON)
}
