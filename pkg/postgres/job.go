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
// to 4). People wait for checks and plans, so they go before snapshots.
var kinds = map[string]struct {
	queue    string
	priority int
}{
	job.CheckConnection{}.Kind(): {job.QueueBackup, 1},
	job.PlanRestore{}.Kind():     {job.QueueBackup, 1},
	job.TakeSnapshot{}.Kind():    {job.QueueBackup, 2},
	job.ApplyRestore{}.Kind():    {job.QueueRestore, 1},
	job.SendCode{}.Kind():        {job.QueueMail, 1},
	job.SendMessage{}.Kind():     {job.QueueMail, 2},
	job.ReportFailure{}.Kind():   {job.QueueMail, 2},
	job.FollowLog{}.Kind():       {job.QueueDrift, 2},
	job.StartFollows{}.Kind():    {job.QueueDrift, 1},
	job.RunSchedules{}.Kind():    {job.QueueTick, 1},
}

// unfinished are the states in which a job keeps another one like it out.
var unfinished = []rivertype.JobState{
	rivertype.JobStateAvailable, rivertype.JobStatePending, rivertype.JobStateRetryable,
	rivertype.JobStateRunning, rivertype.JobStateScheduled,
}

// insertOpts gives a job what its kind says. Every kind is unique by its IDs for as
// long as it is not finished.
func insertOpts(args river.JobArgs) (river.InsertOpts, error) {
	k, ok := kinds[args.Kind()]
	if !ok {
		return river.InsertOpts{}, fmt.Errorf("job kind %q has no queue: add it in pkg/postgres/job.go", args.Kind())
	}
	return river.InsertOpts{
		Queue: k.queue, Priority: k.priority, MaxAttempts: 25,
		UniqueOpts: river.UniqueOpts{ByArgs: true, ByState: unfinished},
	}, nil
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
