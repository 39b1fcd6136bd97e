package s3

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"imago/pkg/blob"
)

// Delete removes an object, if it is there, with all versions that the store keeps of
// it: what is forgotten takes no room, and what is erased is not there to be read.
func (s *Store) Delete(ctx context.Context, key string) (err error) {
	if s.capabilities.Versioning {
		err = s.purge(ctx, key, all)
	} else {
		err = s.remove(ctx, version{key: key})
	}
	if err != nil {
		return fmt.Errorf("s3 delete %s: %w", key, err)
	}
	return nil
}

// mostAtATime is how many objects one request deletes (DeleteObjects in S3's API reference).
const mostAtATime = 1000

// DeleteAll removes objects, a thousand by each request where the store keeps no versions.
// What a request leaves is deleted by itself, to learn why it cannot be; so is all of it at
// a store that does not know such requests.
func (s *Store) DeleteAll(ctx context.Context, keys []string) (failed map[string]error) {
	for some := range slices.Chunk(keys, mostAtATime) {
		for _, key := range s.left(ctx, some) {
			if err := s.Delete(ctx, key); err != nil {
				failed = blob.Failed(failed, key, err)
			}
		}
	}
	return failed
}

// left deletes objects by one request, and gives those that it did not.
func (s *Store) left(ctx context.Context, keys []string) (left []string) {
	if s.capabilities.Versioning || len(keys) == 1 {
		return keys
	}
	objects := make([]types.ObjectIdentifier, len(keys))
	for i := range keys {
		objects[i].Key = &keys[i]
	}
	out, err := s.client.DeleteObjects(ctx, &s3.DeleteObjectsInput{Bucket: &s.bucket, Delete: &types.Delete{Objects: objects, Quiet: aws.Bool(true)}})
	if err != nil {
		return keys // each of which tells what is wrong
	}
	for _, e := range out.Errors {
		left = append(left, aws.ToString(e.Key))
	}
	return left
}

// version is one of an object's; without an id it is the object, whatever the store
// makes of that.
type version struct {
	key, id  string
	latest   bool
	modified time.Time
}

func (v version) idOrNil() *string {
	if v.id == "" {
		return nil
	}
	return &v.id
}

// Which versions are purged.
const (
	all    = true
	former = false // but for the latest
)

// purge removes an object's versions, the latest last: an older one must not come to
// light in its place.
func (s *Store) purge(ctx context.Context, key string, latest bool) error {
	versions, err := s.versions(ctx, key)
	if err != nil {
		return err
	}
	for _, v := range versions {
		if v.latest && !latest {
			continue
		}
		if err := s.remove(ctx, v); err != nil {
			return err
		}
	}
	return nil
}

// versions lists an object's versions, and the marks that it was deleted, oldest first
// and the latest last.
func (s *Store) versions(ctx context.Context, key string) (found []version, err error) {
	for v, err := range s.present(ctx, key) {
		if err != nil {
			return nil, err
		}
		if v.key != key {
			break // longer keys with the same beginning come after it
		}
		found = append(found, v)
	}
	slices.SortStableFunc(found, func(a, b version) int {
		if a.latest != b.latest {
			return map[bool]int{true: 1, false: -1}[a.latest]
		}
		return cmp.Or(a.modified.Compare(b.modified), strings.Compare(a.id, b.id))
	})
	return found, nil
}

// present yields all that the store keeps below a prefix, key by key.
func (s *Store) present(ctx context.Context, prefix string) iter.Seq2[version, error] {
	if !s.capabilities.Versioning {
		return func(yield func(version, error) bool) {
			for o, err := range s.List(ctx, prefix) {
				if !yield(version{key: o.Key, modified: o.Modified, latest: true}, err) {
					return
				}
			}
		}
	}
	return func(yield func(version, error) bool) {
		pages := s3.NewListObjectVersionsPaginator(s.client, &s3.ListObjectVersionsInput{Bucket: &s.bucket, Prefix: &prefix, MaxKeys: aws.Int32(100)})
		for pages.HasMorePages() {
			page, err := pages.NextPage(ctx)
			if err != nil {
				yield(version{}, fmt.Errorf("list versions: %w", known(err)))
				return
			}
			for _, v := range merged(page) {
				if !yield(v, nil) {
					return
				}
			}
		}
	}
}

// merged brings versions and marks of a page together, in key order.
func merged(page *s3.ListObjectVersionsOutput) (found []version) {
	for _, v := range page.Versions {
		found = append(found, version{aws.ToString(v.Key), aws.ToString(v.VersionId), aws.ToBool(v.IsLatest), aws.ToTime(v.LastModified)})
	}
	for _, v := range page.DeleteMarkers {
		found = append(found, version{aws.ToString(v.Key), aws.ToString(v.VersionId), aws.ToBool(v.IsLatest), aws.ToTime(v.LastModified)})
	}
	slices.SortStableFunc(found, func(a, b version) int { return strings.Compare(a.key, b.key) })
	return found
}

// remove deletes one version, or the object of a store that keeps none.
func (s *Store) remove(ctx context.Context, v version) error {
	_, err := s.client.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &s.bucket, Key: &v.key, VersionId: v.idOrNil()})
	err = known(err)
	switch {
	case isNotFound(err), err == nil:
		return nil
	case errors.Is(err, blob.ErrLocked), code(err) == "AccessDenied":
		return s.locked(ctx, v, err)
	}
	return err
}

// locked finds out whether it is a lock that forbids to delete, and until when.
func (s *Store) locked(ctx context.Context, v version, denied error) error {
	head, err := s.client.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &s.bucket, Key: &v.key, VersionId: v.idOrNil()})
	if err != nil {
		return denied // which is what there is to tell
	}
	until := s.retention(ctx, v, head)
	if rule := aws.ToTime(head.LastModified).Add(s.rule.length); s.rule.length > 0 && rule.After(until) {
		until = rule
	}
	held := head.ObjectLockLegalHoldStatus == types.ObjectLockLegalHoldStatusOn // until somebody lifts it
	if held || !until.After(s.now()) {
		until = time.Time{}
	}
	if until.IsZero() && !held && !errors.Is(denied, blob.ErrLocked) {
		return denied
	}
	return &blob.LockedError{Until: until, Err: denied}
}

// retention is the end of a version's own lock; zero if it has none. Some stores tell of
// old versions only who asks for it.
func (s *Store) retention(ctx context.Context, v version, head *s3.HeadObjectOutput) time.Time {
	if head.ObjectLockRetainUntilDate != nil || v.id == "" {
		return aws.ToTime(head.ObjectLockRetainUntilDate)
	}
	out, err := s.client.GetObjectRetention(ctx, &s3.GetObjectRetentionInput{Bucket: &s.bucket, Key: &v.key, VersionId: &v.id})
	if err != nil || out.Retention == nil {
		return time.Time{} // without it, what was denied is the answer
	}
	return aws.ToTime(out.Retention.RetainUntilDate)
}
