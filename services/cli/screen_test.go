package cli

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"
	"unicode"

	"google.golang.org/protobuf/types/known/timestamppb"

	imagov1 "imago/proto/imago/v1"
)

func TestClean(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"Finance":                    "Finance",
		"Zürich 東京 😀":                "Zürich 東京 😀",
		"\x1b[2J":                    `\u001b[2J`,
		"a\nb\tc":                    `a\u000ab\u0009c`,
		"\u009b31m":                  `\u009b31m`,
		"\u202egpj.exe":              `\u202egpj.exe`,
		"zero\u200bwidth":            `zero\u200bwidth`,
		"\u2028line":                 `\u2028line`,
		"bad\xff":                    "bad�",
		"tag \U000e0041 \U0010fffff": "tag \\ue0041 \\u10fffff",
	} {
		if got := clean(in); got != want {
			t.Errorf("clean(%q) = %q, want %q", in, got, want)
		}
	}
}

// FuzzEscape: JSON stays the same value, and holds nothing that a terminal obeys.
func FuzzEscape(f *testing.F) {
	for _, seed := range []string{"", "Finance", "\x1b[2J\u202e", "\U000e0041", "\"\\\n", "a\u2028b"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		line, err := json.Marshal(map[string]string{"type": s})
		if err != nil {
			t.Fatal(err)
		}
		escaped := escape(string(line) + "\n")
		if i := strings.IndexFunc(strings.TrimSuffix(escaped, "\n"), hostile); i >= 0 {
			t.Errorf("%q is left in %q", escaped[i:], escaped)
		}
		var before, after map[string]string
		if err := json.Unmarshal(line, &before); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal([]byte(escaped), &after); err != nil {
			t.Fatalf("%q: %v", escaped, err)
		}
		if before["type"] != after["type"] {
			t.Errorf("%q became %q", before["type"], after["type"])
		}
	})
}

func TestNumbers(t *testing.T) {
	t.Parallel()
	for n, want := range map[int64]string{0: "0", 999: "999", 1000: "1,000", 200000: "200,000", 1234567: "1,234,567", -1000: "-1,000", -100: "-100"} {
		if got := number(n); got != want {
			t.Errorf("number(%d) = %q, want %q", n, got, want)
		}
	}
	for n, want := range map[int64]string{0: "0 B", 1023: "1023 B", 1024: "1.0 KiB", 1536: "1.5 KiB", 5 << 30: "5.0 GiB"} {
		if got := size(n); got != want {
			t.Errorf("size(%d) = %q, want %q", n, got, want)
		}
	}
	for d, want := range map[time.Duration]string{
		time.Millisecond: "less than a second", time.Second: "1 second", 90 * time.Second: "1 minute",
		3 * time.Hour: "3 hours", 47 * time.Hour: "47 hours", 72 * time.Hour: "3 days",
	} {
		if got := span(d); got != want {
			t.Errorf("span(%s) = %q, want %q", d, got, want)
		}
	}
}

func TestAgo(t *testing.T) {
	t.Parallel()
	noon := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	p := &program{Env: Env{Now: func() time.Time { return noon }}}
	for _, tt := range []struct {
		t    *timestamppb.Timestamp
		want string
	}{
		{nil, "never"},
		{timestamppb.New(noon.Add(-2 * time.Minute)), "2 minutes ago"},
		{timestamppb.New(noon.Add(2 * time.Hour)), "in 2 hours"},
	} {
		if got := p.ago(tt.t); got != tt.want {
			t.Errorf("ago(%v) = %q, want %q", tt.t, got, tt.want)
		}
	}
}

// TestEmit: every field of a line is there, numbers are numbers, JSON is not text,
// and a line is one line.
func TestEmit(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	p := &program{Env: Env{Stdout: &out}}
	err := p.emit("resource", &imagov1.GetResourceResponse{
		Summary: &imagov1.ResourceSummary{Key: "group/1", Label: "a\nb<\u009b"},
		Body:    "{\n  \"id\": 1\n}",
	})
	if err != nil {
		t.Fatal(err)
	}
	want := `{"type":"resource","summary":{"key":"group/1","label":"a\nb\u003c\u009b","parent_label":""},"body":{"id":1},"references":[],"referenced_by":[],"referenced_by_more":false}` + "\n"
	if got := out.String(); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if err := p.emit("resource", &imagov1.GetResourceResponse{Body: "{"}); err == nil {
		t.Error("a body that is not JSON was printed")
	}
}

func TestServerURL(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"https://imago.example.com":  "https://imago.example.com",
		"https://imago.example.com/": "https://imago.example.com",
		"http://localhost:8420":      "http://localhost:8420",
		"http://[::1]:8420":          "http://[::1]:8420",
		"http://10.0.0.1":            "", "http://localhost.evil.example": "", "imago.example.com": "", "": "",
		"https://ada:secret@imago.example.com": "", "https://imago.example.com?x=1": "", "ftp://imago.example.com": "", "https://": "",
	} {
		got, err := checkServer(in)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("checkServer(%q) = %q, %v; want %q", in, got, err, want)
		}
	}
}

func TestFull(t *testing.T) {
	t.Parallel()
	ids := []string{"01938f00-0000-7000-8000-00000000aaaa", "01938f00-0000-7000-8000-00000000bbbb"}
	list := func(yield func(string) bool) error {
		for _, id := range ids {
			if !yield(id) {
				break
			}
		}
		return nil
	}
	for in, want := range map[string]string{
		"latest": ids[0], "aaaa": ids[0], "0000bbbb": ids[1], "01938f00": "", "bbb": "", "cccc": "",
		"01938f00-0000-7000-8000-00000000cccc": "01938f00-0000-7000-8000-00000000cccc", // the server decides
	} {
		got, err := full("snapshot", in, list)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("full(%q) = %q, %v; want %q", in, got, err, want)
		}
	}
}

// TestCut keeps a drawn line on one line of the terminal.
func TestCut(t *testing.T) {
	t.Parallel()
	p := &program{Env: Env{Width: 10}}
	for _, in := range []string{"", "short", "exactly 10", strings.Repeat("█", 30)} {
		if got := []rune(p.cut(in)); len(got) >= 10 {
			t.Errorf("cut(%q) has %d cells", in, len(got))
		}
	}
	if strings.IndexFunc(p.cut("abc"), unicode.IsControl) >= 0 {
		t.Error("cut added a control character")
	}
}
