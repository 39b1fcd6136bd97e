// Package recordings reads what real Okta orgs once answered, for tests. The file
// is no part of the project: IMAGO_OKTA_RECORDINGS says where it lies.
package recordings

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"testing"

	"github.com/klauspost/compress/zstd"
)

// Env names the file: JSON lines, compressed by zstd with a window of up to 2^27.
const Env = "IMAGO_OKTA_RECORDINGS"

// Exchange is one recorded call.
type Exchange struct {
	Test     string          `json:"test"`
	Engine   string          `json:"engine"`
	Method   string          `json:"method"`
	Path     string          `json:"path"`
	Query    string          `json:"query"`
	Status   int             `json:"status"`
	Response json.RawMessage `json:"response"`
	Link     []string        `json:"link"`
}

// Read reports whether the call read something and got it.
func (e Exchange) Read() bool { return e.Method == "GET" && e.Status >= 200 && e.Status < 300 }

// Each calls do for every exchange in the file that Env names, in its order. Without
// one the test is skipped and says so.
func Each(t testing.TB, do func(Exchange)) {
	t.Helper()
	name := os.Getenv(Env)
	if name == "" {
		t.Skipf("%s is not set: nothing that a real org answered is at hand", Env)
	}
	if err := each(name, do); err != nil {
		t.Fatal(err)
	}
}

func each(name string, do func(Exchange)) (err error) {
	file, err := os.Open(name)
	if err != nil {
		return fmt.Errorf("open the recordings: %w", err)
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	plain, err := zstd.NewReader(file, zstd.WithDecoderMaxWindow(1<<27))
	if err != nil {
		return fmt.Errorf("open the recordings: %w", err)
	}
	defer plain.Close()
	lines := bufio.NewReaderSize(plain, 1<<20)
	for n := 1; ; n++ {
		line, err := lines.ReadBytes('\n')
		if len(line) > 0 {
			var e Exchange
			if err := json.Unmarshal(line, &e); err != nil {
				return fmt.Errorf("recording %d: %w", n, err)
			}
			do(e)
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read recording %d: %w", n, err)
		}
	}
}
