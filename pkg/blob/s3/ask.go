package s3

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

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

// know keeps how a capability became known, at last.
func (s *Store) know(name, value string, source blob.Source, note string) {
	if source == blob.Unknown {
		value = "not known"
	}
	s.abilities = slices.DeleteFunc(s.abilities, func(a blob.Ability) bool { return a.Name == name })
	s.abilities = append(s.abilities, blob.Ability{Name: name, Value: value, Source: source, Note: note})
}

// noteOf is the note on how a capability became known.
func (s *Store) noteOf(name string) string {
	for _, a := range s.abilities {
		if a.Name == name {
			return a.Note
		}
	}
	return ""
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
