package replay

import (
	"bufio"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/klauspost/compress/zstd"

	"imago/services/oktasim/internal/doc"
)

// Step is one recorded request and Okta's answer to it.
type Step struct {
	Test   string `json:"test"`
	Run    int    `json:"run"`
	Engine string `json:"engine"`
	Seq    int    `json:"seq"`
	Method string `json:"method"`
	// Template is the path as Okta documents it; where the line has none, the path
	// with ids folded.
	Template string   `json:"template"`
	Path     string   `json:"path"`
	Query    string   `json:"query"`
	Status   int      `json:"status"`
	Link     []string `json:"link"`
	Date     string   `json:"date"`
	// Request and Response are nil where nothing was recorded.
	Request  json.RawMessage `json:"request"`
	Response json.RawMessage `json:"response"`

	at   time.Time
	body any // the parsed response
	sent any // the parsed request
}

// Run is the steps of one life of a test, in order.
type Run struct {
	Test   string
	Number int
	Engine string
	Steps  []*Step

	// read is set once the steps are parsed and settled.
	read bool
}

// Name tells runs apart in reports.
func (r *Run) Name() string { return fmt.Sprintf("%s#%d/%s", r.Test, r.Number, r.Engine) }

// The engines of a run.
const (
	OIE     = "oie"
	Classic = "classic"
)

// maxLine bounds one recorded line; maxWindow is what the program zstd needs --long=27
// for.
const (
	maxLine   = 64 << 20
	maxWindow = 1 << 27
)

// Load reads recordings (JSON lines, plain or .zst) and groups them in runs.
func Load(files ...string) ([]Run, error) {
	g := grouping{at: map[string]int{}}
	for _, name := range files {
		if err := ReadFile(name, g.add); err != nil {
			return nil, err
		}
	}
	return g.sorted(), nil
}

// ReadFile visits the steps of one file of recordings.
func ReadFile(name string, visit func(*Step)) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("read %s: %w", name, err)
		}
	}()
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if !strings.HasSuffix(name, ".zst") {
		return Read(f, visit)
	}
	z, err := zstd.NewReader(f, zstd.WithDecoderMaxWindow(maxWindow))
	if err != nil {
		return fmt.Errorf("unpack: %w", err)
	}
	defer z.Close()
	return Read(z, visit)
}

// Read visits the steps of JSON lines. An error names the line.
func Read(r io.Reader, visit func(*Step)) error {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, maxLine)
	n := 0
	for lines.Scan() {
		n++
		if strings.TrimSpace(lines.Text()) == "" {
			continue
		}
		s, err := parseStep(lines.Bytes())
		if err != nil {
			return fmt.Errorf("line %d: %w", n, err)
		}
		visit(s)
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("after line %d: %w", n, err)
	}
	return nil
}

func parseStep(line []byte) (*Step, error) {
	s := &Step{}
	if err := json.Unmarshal(line, s); err != nil {
		return nil, err
	}
	if err := s.check(); err != nil {
		return nil, err
	}
	var err error
	if s.at, err = time.Parse(time.RFC1123, s.Date); err != nil {
		return nil, fmt.Errorf("date: %w", err)
	}
	if s.Template == "" {
		s.Template = foldPath(s.Path)
	}
	return s, nil
}

func (s *Step) check() error {
	switch {
	case s.Test == "":
		return errors.New("test is missing")
	case s.Method == "":
		return errors.New("method is missing")
	case !strings.HasPrefix(s.Path, "/"):
		return errors.New("path must start with /")
	case s.Status < 100 || s.Status > 599:
		return fmt.Errorf("status %d is none", s.Status)
	}
	if _, err := url.ParseQuery(s.Query); err != nil {
		return fmt.Errorf("query: %w", err)
	}
	if _, err := url.Parse(s.Path); err != nil {
		return fmt.Errorf("path: %w", err)
	}
	return nil
}

// prepare parses what the steps say and settles their order. Whole recordings are large,
// so a run is parsed when it is played.
func (r *Run) prepare() error {
	if r.read {
		return nil
	}
	for _, s := range r.Steps {
		if err := s.parse(); err != nil {
			return fmt.Errorf("step %d: %w", s.Seq, err)
		}
	}
	r.settle()
	r.read = true
	return nil
}

func (s *Step) parse() (err error) {
	if s.body, err = parseBody(s.Response); err != nil {
		return fmt.Errorf("response: %w", err)
	}
	if s.sent, err = parseBody(s.Request); err != nil {
		return fmt.Errorf("request: %w", err)
	}
	// An empty list was recorded as no answer at all.
	if s.body == nil && s.Method == "GET" && s.Status == 200 {
		s.body = []any{}
	}
	return nil
}

// forget lets go of what prepare parsed.
func (r *Run) forget() {
	for _, s := range r.Steps {
		s.body, s.sent = nil, nil
	}
}

func parseBody(raw json.RawMessage) (any, error) {
	if len(raw) == 0 || string(raw) == "null" {
		return nil, nil
	}
	return doc.Parse(raw)
}

func (s *Step) name() string { return s.Method + " " + s.Template }

// changes says whether the step asked for a change and Okta made it.
func (s *Step) changes() bool { return s.Method != "GET" && s.ok() }

func (s *Step) ok() bool { return s.Status >= 200 && s.Status < 300 }

// grouping collects runs in the order in which they begin.
type grouping struct {
	runs []Run
	at   map[string]int
}

func (g *grouping) add(s *Step) {
	key := fmt.Sprint(s.Test, "\x00", s.Run, "\x00", s.Engine)
	i, known := g.at[key]
	if !known {
		i = len(g.runs)
		g.at[key] = i
		g.runs = append(g.runs, Run{Test: s.Test, Number: s.Run, Engine: s.Engine})
	}
	g.runs[i].Steps = append(g.runs[i].Steps, s)
}

func (g *grouping) sorted() []Run {
	for i := range g.runs {
		r := &g.runs[i]
		slices.SortStableFunc(r.Steps, func(a, b *Step) int { return a.Seq - b.Seq })
	}
	return g.runs
}

// engine is the org's: what it said of itself, or what only Identity Engine answers, or
// what the recording is labelled with, or oie. A label may be older than the org's
// upgrade.
func (r *Run) engine() string {
	found := ""
	for _, s := range r.Steps {
		d, ok := s.body.(doc.Doc)
		switch {
		case ok && s.Path == organizationPath && s.ok():
			if d["pipeline"] == "v1" {
				return Classic
			}
			return OIE
		case s.ok() && onlyOIE.Match(s.Response):
			found = OIE
		}
	}
	return cmp.Or(found, knownEngine(r.Engine), OIE)
}

var onlyOIE = regexp.MustCompile(`"accessPolicy":|"type":"ACCESS_POLICY"`)

func knownEngine(label string) string {
	if label == OIE || label == Classic {
		return label
	}
	return ""
}

const organizationPath = "/.well-known/okta-organization"
