package job

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"
)

// Args may hold IDs only: River keeps them in clear.
func TestArgsHoldIDsOnly(t *testing.T) {
	t.Parallel()
	verbNoun := regexp.MustCompile(`^[a-z]+_[a-z]+$`)
	for _, args := range []interface{ Kind() string }{
		CheckConnection{}, TakeSnapshot{}, FollowLog{}, PlanRestore{}, ApplyRestore{}, SendCode{}, SendMessage{}, ReportFailure{}, RunSchedules{}, StartFollows{},
	} {
		if !verbNoun.MatchString(args.Kind()) {
			t.Errorf("kind %q is not verb_noun", args.Kind())
		}
		raw, err := json.Marshal(args)
		if err != nil {
			t.Fatal(err)
		}
		var fields map[string]string
		if err := json.Unmarshal(raw, &fields); err != nil {
			t.Fatalf("%s: %v", args.Kind(), err)
		}
		for name := range fields {
			if !strings.HasSuffix(name, "_id") {
				t.Errorf("%s has an arg %q", args.Kind(), name)
			}
		}
	}
}
