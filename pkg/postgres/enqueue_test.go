package postgres_test

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"testing"

	"github.com/riverqueue/river"

	"imago/pkg/job"
	"imago/pkg/postgres"
	"imago/pkg/postgres/postgrestest"
	"imago/pkg/problem"
)

// Each program adds the jobs that its own work leads to and no others, whatever proof it
// holds: a drift monitor that was tricked starts no restore.
func TestProgramsAddOnlyTheirJobs(t *testing.T) {
	t.Parallel()
	base := postgrestest.New(t)
	acme, other := base.Account(t), base.Account(t)
	tick := []string{"run_schedules", "start_follows"}
	for _, c := range []struct {
		role   string
		proof  postgres.Proof
		own    []string // kinds that may be added for acme
		others []string // and for another account
	}{
		{"imago_api", acme.Proof, []string{"check_connection", "take_snapshot", "plan_restore", "apply_restore", "sweep_repository", "end_snooze", "send_invitation", "make_demo", "switch_demo", "remove_demo", "renew_keyring", "delete_account"}, nil},
		{"imago_worker", base.Job(t, job.CheckConnection{AccountID: string(acme.ID)}), []string{"follow_log", "send_message", "sweep_repository"}, nil},
		// What a tick may add beside ticks is told by TestTickStartsOnlyWhatIsThere.
		{"imago_worker", base.Job(t, job.RunSchedules{}), nil, nil},
		{"imago_drift", base.Job(t, job.FollowLog{AccountID: string(acme.ID)}), []string{"send_message", "take_point"}, nil},
		{"imago_drift", base.Job(t, job.StartFollows{}), nil, nil},
	} {
		db := base.Open(t, c.role)
		for _, of := range []struct {
			account string
			may     []string
		}{{string(acme.ID), c.own}, {string(other.ID), c.others}} {
			var added []string
			for _, args := range jobsOf(t, of.account) {
				err := db.As(t.Context(), c.proof, func(tx *postgres.Tx) error { return tx.Enqueue(t.Context(), args) })
				switch {
				case err == nil:
					added = append(added, args.Kind())
				case !problem.Is(err, problem.Denied):
					t.Errorf("%s adds %s: %v", c.role, args.Kind(), err)
				}
			}
			want := slices.Clone(of.may)
			if c.role != "imago_api" {
				want = append(want, tick...)
			}
			slices.Sort(want)
			slices.Sort(added)
			if !slices.Equal(added, want) {
				t.Errorf("%s adds %v, want %v", c.role, added, want)
			}
		}
	}
}

// jobsOf is a job of every kind, of the account if it is of one.
func jobsOf(t *testing.T, id string) (all []river.JobArgs) {
	t.Helper()
	for _, args := range postgres.Kinds() {
		made := reflect.New(reflect.TypeOf(args))
		if err := json.Unmarshal(fmt.Appendf(nil, `{"account_id": %q, "code_id": %[1]q}`, id), made.Interface()); err != nil {
			t.Fatal(err)
		}
		all = append(all, made.Elem().Interface().(river.JobArgs))
	}
	return all
}
