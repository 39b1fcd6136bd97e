package s3

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"imago/pkg/blob"
)

// The names of the capabilities, for people.
const (
	conditional = "conditional put"
	encryption  = "server-side encryption"
	versioning  = "versioning"
	objectLock  = "object lock"
	lockFor     = "lock of every object"
	region      = "region"
)

const (
	yes = "yes"
	no  = "no"
)

func yesNo(b bool) string {
	if b {
		return yes
	}
	return no
}

// know keeps how a capability became known.
func (s *Store) know(name, value string, source blob.Source, note string) {
	if source == blob.Unknown {
		value = "not known"
	}
	s.abilities = append(s.abilities, blob.Ability{Name: name, Value: value, Source: source, Note: note})
}

// askLock asks whether the bucket locks objects, and each by itself. It reports whether
// that is to be tried.
func (s *Store) askLock(ctx context.Context, o Options) bool {
	if o.LockFor > 0 {
		s.capabilities.LockFor = o.LockFor
		s.know(lockFor, o.LockFor.String(), blob.Configured, "")
	}
	out, err := s.client.GetObjectLockConfiguration(ctx, &s3.GetObjectLockConfigurationInput{Bucket: &s.bucket})
	switch {
	case code(err) == "AccessDenied":
		return true
	case code(err) == "ObjectLockConfigurationNotFoundError", refused(err):
		s.know(objectLock, no, blob.Told, code(err))
		return false
	case err != nil:
		s.know(objectLock, "", blob.Unknown, whyNot(err))
		return false
	}
	c := out.ObjectLockConfiguration
	if c == nil || c.ObjectLockEnabled != types.ObjectLockEnabledEnabled {
		s.know(objectLock, no, blob.Told, "")
		return false
	}
	if d := standing(c.Rule); d > s.capabilities.LockFor {
		s.capabilities.LockFor = d
		s.know(lockFor, d.String(), blob.Told, "the bucket's default retention")
	}
	return true
}

// standing is how long a bucket locks every object by default.
func standing(r *types.ObjectLockRule) time.Duration {
	if r == nil || r.DefaultRetention == nil {
		return 0
	}
	days := aws.ToInt32(r.DefaultRetention.Days) + 365*aws.ToInt32(r.DefaultRetention.Years)
	return time.Duration(days) * 24 * time.Hour
}

// askRegion finds out where the bucket is. The store's word counts more than ours, which
// only signs.
func (s *Store) askRegion(ctx context.Context, o Options) {
	out, err := s.client.HeadBucket(ctx, &s3.HeadBucketInput{Bucket: &s.bucket})
	switch {
	case err == nil && aws.ToString(out.BucketRegion) != "":
		s.capabilities.Region = *out.BucketRegion
		s.know(region, s.capabilities.Region, blob.Told, "")
	case o.Region != "":
		s.capabilities.Region = o.Region
		s.know(region, o.Region, blob.Configured, "")
	default:
		s.know(region, "", blob.Unknown, "requests are signed for "+s.client.Options().Region)
	}
}

// whyNot is the store's code for what it did not tell.
func whyNot(err error) string {
	return cmp.Or(code(err), fmt.Sprintf("status %d", status(err)))
}
