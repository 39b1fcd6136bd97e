package s3

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"imago/pkg/blob"
	"imago/pkg/problem"
)

const (
	probes = "imago-probe/" // where probes write
	// lockTime is how long the probe of the lock is locked, if nobody may lift it: longer
	// than clocks may differ, at which the store would refuse our signature.
	lockTime = 20 * time.Minute
	stray    = time.Hour // the age of a probe that nobody waits for
)

// probe finds out what the store does, under keys of its own, which it removes: those
// that are locked are left to a later probe.
func (s *Store) probe(ctx context.Context, o Options) error {
	must := o.Encryption != ""
	lockable, err := s.askLock(ctx, o)
	if err != nil {
		return err
	}
	key := probes + rand.Text()
	out, err := s.probeWrite(ctx, key, must)
	if err != nil {
		return err
	}
	err = s.probeObject(ctx, key, out, must)
	if e := s.probeDelete(ctx, key, o); e != nil {
		return errors.Join(err, e)
	}
	if err != nil {
		return err
	}
	if lockable {
		if err := s.probeLock(ctx, o); err != nil {
			return err
		}
	}
	if err := s.lockPuts(o); err != nil {
		return err
	}
	s.askRegion(ctx, o)
	return s.tidy(ctx)
}

// probeObject tries what concerns an object that is there.
func (s *Store) probeObject(ctx context.Context, key string, out *s3.PutObjectOutput, must bool) error {
	if err := s.probeEncryption(out, must); err != nil {
		return err
	}
	if err := s.probeOverwrite(ctx, key); err != nil {
		return err
	}
	return s.probeRead(ctx, key)
}

// probeWrite writes, and without encryption where the store does not know it.
func (s *Store) probeWrite(ctx context.Context, key string, must bool) (*s3.PutObjectOutput, error) {
	out, err := s.write(ctx, key, []byte("probe"), how{})
	if err != nil && refused(err) && s.encryption != "" && !must {
		s.encryption = ""
		out, err = s.write(ctx, key, []byte("probe"), how{})
	}
	if err != nil && refused(err) && s.encryption != "" {
		return nil, s.unencrypted().Because(err)
	}
	return out, err
}

// probeEncryption claims encryption at rest only when the store says that it
// did it; some take the header and ignore it.
func (s *Store) probeEncryption(out *s3.PutObjectOutput, must bool) error {
	asked := s.encryption
	s.capabilities.ServerSideEncryption = out.ServerSideEncryption != "" && (asked == "" || out.ServerSideEncryption == asked)
	if s.capabilities.ServerSideEncryption {
		s.know(encryption, string(out.ServerSideEncryption), blob.Told, "the answer to a put names it")
		return nil
	}
	s.know(encryption, no, blob.Told, "the answer to a put does not name it")
	if must && asked != "" {
		return s.unencrypted()
	}
	s.encryption, s.kmsKey = "", ""
	return nil
}

func (s *Store) unencrypted() *problem.Problem {
	return problem.InField("encryption", "the store does not encrypt by %s", s.encryption).
		WithHint("use none: Imago seals every object before it leaves")
}

// probeOverwrite tries to write over the probe's object.
func (s *Store) probeOverwrite(ctx context.Context, key string) error {
	_, err := s.write(ctx, key, []byte("other"), how{conditional: true})
	switch {
	case errors.Is(err, blob.ErrLocked): // which R2 says before it looks at the condition
		s.know(conditional, "", blob.Unknown, "the probe is locked")
		return nil
	case errors.Is(err, blob.ErrExists):
		s.capabilities.ConditionalPut = true
	case err != nil && !refused(err):
		return err
	}
	s.know(conditional, yesNo(s.capabilities.ConditionalPut), blob.Proved, "a second put of a key")
	return nil
}

func (s *Store) probeRead(ctx context.Context, key string) error {
	data, err := blob.ReadAll(ctx, s, key, 64)
	if err != nil {
		return err
	}
	if s.capabilities.ConditionalPut && string(data) != "probe" {
		return fmt.Errorf("the store refused to overwrite, and did")
	}
	for _, err := range s.List(ctx, key) {
		if err != nil {
			return err
		}
	}
	return nil
}

// probeDelete removes the probe, and sees whether an old version remains. A bucket that
// locks what it is given shows by keeping it.
func (s *Store) probeDelete(ctx context.Context, key string, o Options) error {
	out, err := s.client.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &s.bucket, Key: &key})
	if err = known(err); errors.Is(err, blob.ErrLocked) {
		s.know(versioning, "", blob.Unknown, "the probe is locked")
		return s.lockedByRule(o, err)
	}
	if err != nil {
		return err
	}
	s.capabilities.Versioning = aws.ToBool(out.DeleteMarker)
	s.know(versioning, yesNo(s.capabilities.Versioning), blob.Proved, "a delete")
	if !s.capabilities.Versioning {
		return nil
	}
	err = s.purge(ctx, key, all)
	locked, ok := errors.AsType[*blob.LockedError](err)
	if !ok {
		return err
	}
	if s.rule.length == 0 {
		s.ruled(lock{length: locked.Until.Sub(s.now()).Truncate(time.Second)}, blob.Proved, "the probe cannot be deleted before")
	}
	return nil
}

// lockedByRule is for a bucket whose rule locked the probe, and which does not tell for
// how long.
func (s *Store) lockedByRule(o Options, err error) error {
	if o.LockFor == 0 {
		return problem.InField("lock days", "the bucket has a rule that locks every object, and the store does not say for how long").
			WithHint("give the rule's days as IMAGO_STORE_LOCK_DAYS, or take the rule away").Because(err)
	}
	return nil
}

// probeLock locks an object of its own and tries to delete it.
func (s *Store) probeLock(ctx context.Context, o Options) error {
	key := probes + rand.Text()
	out, err := s.write(ctx, key, []byte("probe"), how{lock: lock{modes[o.LockMode], lockTime}})
	switch {
	case err != nil && (refused(err) || code(err) == "AccessDenied"):
		s.know(objectLock, no, blob.Proved, "a put with a lock is refused: "+code(err))
		return nil
	case err != nil:
		return err
	}
	err = s.remove(ctx, version{key: key, id: aws.ToString(out.VersionId)})
	s.capabilities.ObjectLock = errors.Is(err, blob.ErrLocked)
	if err != nil && !s.capabilities.ObjectLock {
		return err
	}
	s.know(objectLock, yesNo(s.capabilities.ObjectLock), blob.Proved, "a delete of a locked object")
	return s.unlock(ctx, key, out.VersionId)
}

// unlock removes the locked probe where we may lift its lock; else it stays for a while.
func (s *Store) unlock(ctx context.Context, key string, id *string) error {
	_, err := s.client.DeleteObject(ctx, &s3.DeleteObjectInput{
		Bucket: &s.bucket, Key: &key, VersionId: id, BypassGovernanceRetention: aws.Bool(true),
	})
	if code(err) == "AccessDenied" || refused(err) {
		return nil
	}
	return known(err)
}

// tidy removes what earlier probes had to leave behind.
func (s *Store) tidy(ctx context.Context) error {
	var strays []version
	for v, err := range s.present(ctx, probes) {
		if err != nil {
			return err
		}
		if v.modified.Before(s.now().Add(-stray)) {
			strays = append(strays, v)
		}
	}
	for _, v := range strays {
		if err := s.remove(ctx, v); err != nil && !errors.Is(err, blob.ErrLocked) {
			return err
		}
	}
	return nil
}
