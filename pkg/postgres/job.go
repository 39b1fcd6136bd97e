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

// kinds says of each kind of job where it is worked, and how urgent it is there (1
// to 4). People wait for checks and plans, so they go before snapshots. A long one does
// not come in slices, or not all of it does: an org is read in it from end to end.
var kinds = map[string]struct {
	queue    string
	priority int
	long     bool
}{
	job.CheckConnection{}.Kind(): {job.QueueBackup, 1, true},
	job.PlanRestore{}.Kind():     {job.QueueBackup, 1, true},
	job.TakeSnapshot{}.Kind():    {job.QueueBackup, 2, false},
	job.SweepRepository{}.Kind(): {job.QueueBackup, 4, true},
	job.ApplyRestore{}.Kind():    {job.QueueRestore, 1, true},
	job.SendCode{}.Kind():        {job.QueueMail, 1, false},
	job.SendMessage{}.Kind():     {job.QueueMail, 2, false},
	job.ReportFailure{}.Kind():   {job.QueueMail, 2, false},
	job.FollowLog{}.Kind():       {job.QueueDrift, 2, false},
	job.StartFollows{}.Kind():    {job.QueueDrift, 1, false},
	job.RunSchedules{}.Kind():    {job.QueueTick, 1, false},
}

// unfinished are the states in which a job keeps another one like it out.
var unfinished = []rivertype.JobState{
	rivertype.JobStateAvailable, rivertype.JobStatePending, rivertype.JobStateRetryable,
	rivertype.JobStateRunning, rivertype.JobStateScheduled,
}

// repeatable are the kinds that may be there more than once. A job keeps another one
// like it out until River has written down that it is done, which is a moment after its
// own last transaction: a check that is asked for in that moment must not be lost.
var repeatable = map[string]bool{job.CheckConnection{}.Kind(): true}

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
