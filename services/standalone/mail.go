package standalone

import (
	"context"
	"fmt"
	"net/mail"
	"os"
	"path/filepath"
	"strings"
	"time"

	"imago/pkg/notify"
	"imago/pkg/problem"
)

// folder is a notify.Sender for an installation without a mail server: a message is
// a file that only the administrator of the machine can read.
type folder struct {
	dir string
	now func() time.Time
}

var _ notify.Sender = (*folder)(nil)

func newFolder(dir string, now func() time.Time) (*folder, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the mail folder: %w", err)
	}
	return &folder{dir: dir, now: now}, nil
}

// Send writes the message; the same message twice is one file.
func (f *folder) Send(_ context.Context, m notify.Message) error {
	if _, err := mail.ParseAddress(m.To); err != nil {
		return problem.New(problem.Invalid, "the recipient is not a mail address").Because(err)
	}
	text := fmt.Sprintf("Date: %s\nTo: %s\nSubject: %s\n\n%s", f.now().UTC().Format(time.RFC3339), oneLine(m.To), oneLine(m.Subject), m.Text)
	path := filepath.Join(f.dir, fileName(m.ID)+".txt")
	if err := os.WriteFile(path+".new", []byte(text), 0o600); err != nil {
		return fmt.Errorf("write mail: %w", err)
	}
	return os.Rename(path+".new", path)
}

// fileName keeps of an ID what is harmless in a path.
func fileName(id string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '_' {
			return r
		}
		return '_'
	}, id)
}

func oneLine(s string) string { return strings.NewReplacer("\r", " ", "\n", " ").Replace(s) }
