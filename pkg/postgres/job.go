package postgres

import (
	"fmt"
	"math"
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"

	"imago/pkg/job"
)

// schema is where River's tables stand.
const schema = "river"

// kind says of a kind of job where it is worked, and how urgent it is there (1 to 4). A
// long one does not come in slices, or a slice of it may stand still longer than a slice
// should: for one answer that an org takes a minute for.
type kind struct {
	args     river.JobArgs // its zero value
	queue    string
	priority int
	long     bool
}

// kinds are all of them, by name. People wait for checks and plans, so they go before
// snapshots.
var kinds = byName(
	kind{job.CheckConnection{}, job.QueueBackup, 1, true},
	kind{job.PlanRestore{}, job.QueueBackup, 1, true},
	kind{job.TakeSnapshot{}, job.QueueBackup, 2, true},
	kind{job.TakePoint{}, job.QueueBackup, 3, true},
	kind{job.SweepRepository{}, job.QueueBackup, 4, true},
	kind{job.CheckRepository{}, job.QueueBackup, 4, true},
	kind{job.ResealRepository{}, job.QueueBackup, 4, true},
	kind{job.ForgetSnapshots{}, job.QueueBackup, 4, true},
	kind{job.RenewKeyring{}, job.QueueBackup, 1, false},
	kind{job.DeleteAccount{}, job.QueueBackup, 3, true},
	kind{job.MakeDemo{}, job.QueueBackup, 3, true},
	kind{job.SwitchDemo{}, job.QueueBackup, 1, true},
	kind{job.RemoveDemo{}, job.QueueBackup, 4, true},
	kind{job.ApplyRestore{}, job.QueueRestore, 1, true},
	kind{job.SendCode{}, job.QueueMail, 1, false},
	kind{job.SendInvitation{}, job.QueueMail, 1, false},
	kind{job.SendMessage{}, job.QueueMail, 2, false},
	kind{job.SendDigest{}, job.QueueMail, 3, false},
	kind{job.SendUpdate{}, job.QueueMail, 4, false},
	kind{job.ReportStopped{}, job.QueueMail, 3, false},
	kind{job.ReportEnd{}, job.QueueMail, 3, false},
	kind{job.ReportFailure{}, job.QueueMail, 2, false},
	kind{job.ApplyBilling{}, job.QueueMail, 2, false},
	kind{job.EndSnooze{}, job.QueueTick, 2, false},
	kind{job.FollowLog{}, job.QueueDrift, 2, false},
	kind{job.StartFollows{}, job.QueueDrift, 1, false},
	kind{job.RunSchedules{}, job.QueueTick, 1, false},
)

func byName(all ...kind) map[string]kind {
	out := map[string]kind{}
	for _, k := range all {
		out[k.args.Kind()] = k
	}
	return out
}

// unfinished are the states in which a job keeps another one like it out.
var unfinished = []rivertype.JobState{
	rivertype.JobStateAvailable, rivertype.JobStatePending, rivertype.JobStateRetryable,
	rivertype.JobStateRunning, rivertype.JobStateScheduled,
}

// repeatable are the kinds that may be there more than once. A job keeps another one
// like it out until River has written down that it is done, which is a moment after its
// own last transaction: a check, or a mail, that is asked for in that moment must not be
// lost, nor may news of a subscription be that comes while the processor is being asked.
var repeatable = map[string]bool{
	job.CheckConnection{}.Kind(): true, job.ApplyBilling{}.Kind(): true, job.SendInvitation{}.Kind(): true,
	job.SwitchDemo{}.Kind(): true, job.RenewKeyring{}.Kind(): true,
}

// insertOpts gives a job what its kind says. Other kinds than the repeatable are unique
// by their IDs for as long as they are not finished.
func insertOpts(args river.JobArgs) (river.InsertOpts, error) {
	k, ok := kinds[args.Kind()]
	if !ok {
		return river.InsertOpts{}, fmt.Errorf("job kind %q has no queue: add it in pkg/postgres/job.go", args.Kind())
	}
	opts := river.InsertOpts{Queue: k.queue, Priority: k.priority, MaxAttempts: 25}
	if !repeatable[args.Kind()] {
		opts.UniqueOpts = river.UniqueOpts{ByArgs: true, ByState: unfinished}
	}
	return opts, nil
}

// retry is River's policy for jobs that failed, or whose process died.
type retry struct{ now func() time.Time }

// NextRetry tries again at once, so that a killed process's work is taken over within
// seconds, then after 2, 4, 8 … seconds; at most a minute, for mail a quarter of an hour.
func (r retry) NextRetry(j *rivertype.JobRow) time.Time {
	most := time.Minute
	if j.Queue == job.QueueMail {
		most = 15 * time.Minute
	}
	if len(j.Errors) == 0 {
		return r.now()
	}
	wait := time.Duration(math.Pow(2, float64(min(len(j.Errors), 20)))) * time.Second
	return r.now().Add(min(wait, most))
}
