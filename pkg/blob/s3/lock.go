package s3

import (
	"context"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"imago/pkg/blob"
	"imago/pkg/problem"
)

// lock is for how long an object is locked from when it is put, and who may lift that; the
// zero value locks nothing.
type lock struct {
	mode   types.ObjectLockMode // "": not told
	length time.Duration
}

// The modes, as they are configured.
const (
	governance = "governance" // who has BypassGovernanceRetention may lift it
	compliance = "compliance" // nobody may
)

// modes are what they are called in S3.
var modes = map[string]types.ObjectLockMode{
	"": types.ObjectLockModeGovernance, governance: types.ObjectLockModeGovernance, compliance: types.ObjectLockModeCompliance,
}

// until is the end of the lock of what is put now; S3 goes by seconds.
func (l lock) until(now time.Time) time.Time {
	return now.UTC().Add(l.length + time.Second - 1).Truncate(time.Second)
}

// shortest is the shortest lock that is asked for: after half of it a snapshot is a full one.
const shortest = 24 * time.Hour

// checkLock tells what is wrong with the lock that is to be asked for.
func (o Options) checkLock() error {
	switch _, ok := modes[o.LockMode]; {
	case o.Lock != 0 && o.Lock < shortest:
		return problem.InField(lockVariable, "must be at least %v, not %v", shortest, o.Lock)
	case !ok:
		return problem.InField(lockVariable+"_MODE", "must be %s or %s, not %q", governance, compliance, o.LockMode)
	case o.LockMode != "" && o.Lock == 0:
		return problem.InField(lockVariable+"_MODE", "says how to lock, and nothing is to be locked").WithHint("give %s, too", lockVariable)
	}
	return nil
}

// lockVariable is by which programs are told to lock.
const lockVariable = "IMAGO_STORE_LOCK"

// askLock asks whether the bucket locks objects, and each by itself. It reports whether
// that is to be tried.
func (s *Store) askLock(ctx context.Context, o Options) (bool, error) {
	if o.LockFor > 0 {
		s.ruled(lock{length: o.LockFor}, blob.Configured, "")
	}
	out, err := s.client.GetObjectLockConfiguration(ctx, &s3.GetObjectLockConfigurationInput{Bucket: &s.bucket})
	switch {
	case code(err) == "AccessDenied" && o.Lock > 0: // a lock of ours could be less than the bucket's
		return false, problem.New(problem.Denied, "%s: the store does not let us see for how long the bucket itself locks", lockVariable).
			WithHint("allow GetBucketObjectLockConfiguration, or unset %s", lockVariable).Because(err)
	case code(err) == "AccessDenied":
		return true, nil
	case code(err) == "ObjectLockConfigurationNotFoundError", refused(err):
		s.know(objectLock, no, blob.Told, code(err))
		return false, nil
	case err != nil:
		s.know(objectLock, "", blob.Unknown, whyNot(err))
		return false, nil
	}
	c := out.ObjectLockConfiguration
	if c == nil || c.ObjectLockEnabled != types.ObjectLockEnabledEnabled {
		s.know(objectLock, no, blob.Told, "")
		return false, nil
	}
	if l := standing(c.Rule); l.length > s.rule.length {
		s.ruled(l, blob.Told, "the bucket's default retention")
	}
	return true, nil
}

// standing is how a bucket locks every object by default.
func standing(r *types.ObjectLockRule) lock {
	if r == nil || r.DefaultRetention == nil {
		return lock{}
	}
	days := aws.ToInt32(r.DefaultRetention.Days) + 365*aws.ToInt32(r.DefaultRetention.Years)
	return lock{types.ObjectLockMode(r.DefaultRetention.Mode), time.Duration(days) * 24 * time.Hour}
}

// ruled notes that the bucket itself locks every object.
func (s *Store) ruled(l lock, source blob.Source, note string) {
	s.rule, s.capabilities.LockFor = l, l.length
	s.know(lockFor, l.length.String(), source, note)
}

// lockPuts has every put ask for a lock from now on, if that is wanted, and the store was
// seen to lock. It displaces the bucket's own, so it is neither shorter nor weaker.
func (s *Store) lockPuts(o Options) error {
	if o.Lock == 0 {
		return nil
	}
	if !s.capabilities.ObjectLock {
		return problem.InField(lockVariable, "bucket %q does not lock objects (%s)", s.bucket, s.noteOf(objectLock)).
			WithHint("give a bucket that was made with Object Lock, and allow PutObjectRetention and GetObjectRetention; or unset %s", lockVariable)
	}
	s.asks = lock{modes[o.LockMode], max(o.Lock, s.rule.length)}
	if s.rule.mode == types.ObjectLockModeCompliance {
		s.asks.mode = s.rule.mode
	}
	s.capabilities.LockFor = s.asks.length
	s.know(lockFor, s.asks.length.String(), blob.Configured, fmt.Sprintf("every put asks for it, in mode %s", s.asks.mode))
	return nil
}
