package snapshot

import (
	"crypto/sha256"
	"fmt"
	"regexp"
	"strings"
	"time"

	"imago/pkg/account"
)

// Names of the objects of a snapshot, below its prefix.
const (
	ManifestName  = "manifest"
	ChecksumsName = "checksums"
)

// MaxObject is the largest sealed object in bytes.
const MaxObject = 64 << 20

// Timestamp is the layout of a snapshot's time in its prefix: it sorts as text,
// and needs escaping nowhere.
const Timestamp = "2006-01-02T150405.000Z"

// AccountPrefix is where all of an account lies.
func AccountPrefix(id account.ID) string { return "users/" + string(id) }

// KeyringName is the object of an account's wrapped keyring.
func KeyringName(id account.ID) string { return AccountPrefix(id) + "/keyring" }

// BackupsPrefix is where a connection's snapshots lie.
func BackupsPrefix(id account.ID, c account.ConnectionID) string {
	return AccountPrefix(id) + "/connections/" + string(c) + "/backups"
}

// Folder is the name under which one snapshot lies below BackupsPrefix. Eight digits from
// its ID keep two that began in the same millisecond apart.
func Folder(started time.Time, snapshot string) string {
	sum := sha256.Sum256([]byte(snapshot))
	return fmt.Sprintf("%s-%x", started.UTC().Format(Timestamp), sum[:4])
}

// Prefix is where one snapshot lies.
func Prefix(id account.ID, c account.ConnectionID, started time.Time, snapshot string) string {
	return BackupsPrefix(id, c) + "/" + Folder(started, snapshot)
}

var folderName = regexp.MustCompile(`^(\d{4}-\d\d-\d\dT\d{6}\.\d{3}Z)-[0-9a-f]{8}$`)

// ParsePrefix gives the time of a snapshot's prefix below a connection; ok is
// false for anything else.
func ParsePrefix(id account.ID, c account.ConnectionID, prefix string) (started time.Time, ok bool) {
	name, ok := strings.CutPrefix(prefix, BackupsPrefix(id, c)+"/")
	if !ok {
		return time.Time{}, false
	}
	return ParseFolder(name)
}

// ParseFolder gives the time of a snapshot's folder; ok is false for anything else.
func ParseFolder(folder string) (started time.Time, ok bool) {
	m := folderName.FindStringSubmatch(folder)
	if m == nil {
		return time.Time{}, false
	}
	started, err := time.Parse(Timestamp, m[1])
	return started, err == nil
}

// SealedName is an object's key relative to its account: what it is sealed for,
// so that a copied account still opens.
func SealedName(id account.ID, key string) string {
	return strings.TrimPrefix(key, AccountPrefix(id)+"/")
}

// SegmentName names a segment: its number, for people, and random digits, so that
// a writer never meets what a killed one left behind.
func SegmentName(number int, random [8]byte) string {
	return fmt.Sprintf("seg-%06d-%x", number, random)
}

// ListName names a list of segments.
func ListName(random [8]byte) string { return fmt.Sprintf("list-%x", random) }

// Original is what an object was called before it was sealed anew; others are called what
// they are.
func Original(object string) string {
	if m := sealedAnew.FindStringSubmatch(object); m != nil {
		return m[1]
	}
	return object
}

var (
	sealedAnew  = regexp.MustCompile(`^(seg-\d{6,}-[0-9a-f]{16}|list-[0-9a-f]{16})-[1-9]\d*$`)
	segmentName = regexp.MustCompile(`^seg-\d{6,}-[0-9a-f]{16}$`)
	listName    = regexp.MustCompile(`^list-[0-9a-f]{16}$`)
)
