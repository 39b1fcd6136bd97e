package cli

import (
	"fmt"
	"io"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"google.golang.org/protobuf/types/known/timestamppb"
)

// print writes a result. Where the result cannot be written there is nobody to tell:
// the reader of the pipe has gone.
func (p *program) print(format string, args ...any) {
	write(p.Stdout, fmt.Sprintf(format, args...))
}

// tell writes to the person beside the result.
func (p *program) tell(format string, args ...any) {
	write(p.Stderr, fmt.Sprintf(format, args...))
}

// notice is tell with the program's name before it, cleaned.
func (p *program) notice(format string, args ...any) {
	p.tell("imago: %s\n", clean(fmt.Sprintf(format, args...)))
}

// write puts text on a stream; an error means that nobody reads it any more.
func write(w io.Writer, text string) {
	if _, err := io.WriteString(w, text); err != nil {
		return
	}
}

// clean makes text from a directory harmless on a terminal: whoever can name a
// group must not be able to move the cursor, or turn the reading direction.
func clean(s string) string {
	if strings.IndexFunc(s, hostile) < 0 && utf8.ValidString(s) {
		return s
	}
	var b strings.Builder
	for _, r := range strings.ToValidUTF8(s, "�") {
		if hostile(r) {
			fmt.Fprintf(&b, `\u%04x`, r)
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}

// hostile recognises control and format characters.
func hostile(r rune) bool { return unicode.Is(unicode.C, r) || r == '\u2028' || r == '\u2029' }

// The colours mean: added, removed, changed or careful, and less important.
const (
	green  = "32"
	red    = "31"
	yellow = "33"
	faint  = "2"
	bold   = "1"
)

// paint colours text when the result goes to a terminal that shows it.
func (p *program) paint(color, text string) string {
	if !p.Color || text == "" {
		return text
	}
	return "\x1b[" + color + "m" + text + "\x1b[0m"
}

// table sets rows out in columns; the first row is the head. Cells are cleaned.
// Columns that are named right are set flush right.
func (p *program) table(rows [][]string, right ...int) {
	p.print("%s", p.tabulate(rows, right...))
}

func (p *program) tabulate(rows [][]string, right ...int) string {
	widths := columns(rows)
	flush := map[int]bool{}
	for _, c := range right {
		flush[c] = true
	}
	var b strings.Builder
	for i, row := range rows {
		var line strings.Builder
		for c, cell := range row {
			line.WriteString(pad(clean(cell), widths[c], flush[c]))
			if c < len(row)-1 {
				line.WriteString("  ")
			}
		}
		text := strings.TrimRight(line.String(), " ")
		if i == 0 {
			text = p.paint(faint, text)
		}
		b.WriteString(text + "\n")
	}
	return b.String()
}

// columns measures the widest cell of each column.
func columns(rows [][]string) []int {
	var widths []int
	for _, row := range rows {
		for c, cell := range row {
			if c == len(widths) {
				widths = append(widths, 0)
			}
			widths[c] = max(widths[c], utf8.RuneCountInString(clean(cell)))
		}
	}
	return widths
}

func pad(s string, width int, right bool) string {
	space := strings.Repeat(" ", max(0, width-utf8.RuneCountInString(s)))
	if right {
		return space + s
	}
	return s + space
}

// stamp shows a moment; "-" when there was none.
func stamp(t *timestamppb.Timestamp) string {
	if t == nil {
		return "-"
	}
	return t.AsTime().UTC().Format("2006-01-02 15:04:05 UTC")
}

// ago shows how long ago a moment was.
func (p *program) ago(t *timestamppb.Timestamp) string {
	if t == nil {
		return "never"
	}
	d := p.Now().Sub(t.AsTime())
	if d < 0 {
		return "in " + span(-d)
	}
	return span(d) + " ago"
}

// span shows a length of time in its largest unit.
func span(d time.Duration) string {
	switch {
	case d < time.Second:
		return "less than a second"
	case d < time.Minute:
		return count(int64(d/time.Second), "second")
	case d < time.Hour:
		return count(int64(d/time.Minute), "minute")
	case d < 48*time.Hour:
		return count(int64(d/time.Hour), "hour")
	default:
		return count(int64(d/(24*time.Hour)), "day")
	}
}

// count shows a number of things: "1 group", "2 groups".
func count(n int64, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return number(n) + " " + thing + "s"
}

// number groups digits by three: 200,000.
func number(n int64) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// size shows a number of bytes.
func size(n int64) string {
	units := []string{"B", "KiB", "MiB", "GiB", "TiB"}
	f, u := float64(n), 0
	for f >= 1024 && u < len(units)-1 {
		f, u = f/1024, u+1
	}
	if u == 0 {
		return fmt.Sprintf("%d B", n)
	}
	return fmt.Sprintf("%.1f %s", f, units[u])
}
