package main

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"

	"imago/pkg/provider/okta/bigorg"
)

// row is one thing that is measured, and what is promised of it.
type row struct {
	what   string
	unit   unit
	ours   value
	beside string // what ours is held against; "": a number
	theirs value
	most   float64 // a share of theirs, or a number; 0 with one beside: nothing is promised
}

// value is a number, or why there is none.
type value struct {
	n    float64
	lack string // "": there is one
}

// unit is what a number counts.
type unit string

const (
	inBytes    unit = "bytes"
	inCPU      unit = "cpu-s"
	inRequests unit = "requests"
	inMiB      unit = "MiB"
)

// kopiaChanges is how many CPU seconds kopia 0.23 took to compare the contents of day 1 and
// 2a of the full org, on the machine of the targets: Debian has no kopia to run beside.
const kopiaChanges = 3.0

// of takes a number of a step.
func of(all steps, step string, number func(measure) float64) value {
	m, there := all[step]
	switch {
	case all == nil:
		return value{lack: "no restic"}
	case !there && strings.HasSuffix(step, "sweep"):
		return value{lack: "full org only"}
	case !there || m.NotYet:
		return value{lack: "not yet"}
	}
	return value{n: number(m)}
}

func added(m measure) float64      { return m.Bytes }
func spent(m measure) float64      { return m.CPU }
func asked(m measure) float64      { return m.Requests }
func askedFirst(m measure) float64 { return m.First }
func lists(m measure) float64      { return m.Lists }
func reads(m measure) float64      { return m.Reads }
func read(m measure) float64       { return m.Read }
func peaked(m measure) float64     { return m.Peak }

// rows are the sizes that are promised, and some to understand them by.
func (r result) rows() []row {
	if r.Type == "sweep" {
		return r.sweepRows()
	}
	return append(r.repositoryRows(), r.sweepRows()...)
}

func (r result) repositoryRows() []row {
	ours := func(step string, number func(measure) float64) value { return of(r.Steps, step, number) }
	theirs := func(step string, number func(measure) float64) value { return of(r.Restic, step, number) }
	rows := []row{
		{"first snapshot", inBytes, ours("first", added), "restic", theirs("first", added), 1.1},
		{"day 2a", inBytes, ours("2a", added), "restic", theirs("2a", added), 1.0 / 18},
		{"day 2b", inBytes, ours("2b", added), "", value{}, 8e3},
		{"day 2c", inBytes, ours("2c", added), "restic", theirs("2c", added), 1.0 / 14},
		{"1,440 minutes", inBytes, ours("minutes", added), "", value{}, 5e6},
		{"a minute after the first", inRequests, ours("minutes", asked), "", value{}, 5},
		{"the first minute, reads its parent too", inRequests, ours("minutes", askedFirst), "a minute after it", ours("minutes", asked), 0},
		{"a minute, lists", inRequests, ours("minutes", lists), "", value{}, 0},
		{"a minute, in the mean", inCPU, ours("minutes", spent), "restic's backup of 2b", theirs("2b", spent), 1.0 / 100},
		{"open an object, reads", inRequests, ours("get", reads), "", value{}, 6},
		{"open an object, read", inBytes, ours("get", read), "", value{}, 400e3},
		{"open an object, lists", inRequests, ours("get", lists), "", value{}, 0},
		{"open an object", inCPU, ours("get", spent), "restic's dump of the groups", theirs("dump", spent), 1.0 / 20},
		{"open an object by its name, reads", inRequests, ours("get by name", reads), "", value{}, 8},
		{"open an object by its name, read", inBytes, ours("get by name", read), "", value{}, 500e3},
		{"open an object after the minutes, reads", inRequests, ours("get of a day of minutes", reads), "", value{}, 20},
		{"which objects differ on day 2b, read", inBytes, ours("keys", read), "", value{}, 16e3},
		{"what differs on day 2a", inCPU, ours("changes", spent), "kopia's, of old", value{n: kopiaChanges * r.Scale}, 1.0 / 3},
		{"check with all data", inCPU, ours("check", spent), "restic", theirs("check", spent), 0.7},
		{"forget a day of minutes, rewritten", inBytes, ours("forget", added), "", value{}, 0},
		{"forget a day of minutes", inCPU, ours("forget", spent), "restic's prune", theirs("forget", spent), 1.0 / 20},
	}
	return append(append(rows, r.peaks()...),
		row{"first snapshot", inCPU, ours("first", spent), "restic", theirs("first", spent), 0},
		row{"first snapshot", inCPU, ours("first", spent), "reading and zstd alone", ours("floor", spent), 0},
		row{"first snapshot", inBytes, ours("first", added), "reading and zstd alone", ours("floor", added), 0},
		row{"first snapshot", inMiB, ours("first", peaked), "restic", theirs("first", peaked), 0},
		row{"day 2a", inCPU, ours("2a", spent), "restic", theirs("2a", spent), 0},
	)
}

// sweepRows are those of the worker's sweep, from the simulator on.
func (r result) sweepRows() (rows []row) {
	for _, name := range []string{"first sweep", "sweep"} {
		cpu, peak := of(r.Steps, name, spent), of(r.Steps, name, peaked)
		rows = append(rows,
			row{name + " by the worker", inCPU, cpu, "bare download and restic", of(r.Restic, name, spent), 1.3},
			row{name + " by the worker", inCPU, cpu, "download, canonical JSON, zstd and AES alone", of(r.Steps, "floor of the sweep", spent), 0},
			row{"peak memory, at " + name + " by the worker", inMiB, peak, "", value{}, 96},
			row{"peak memory, at " + name + " by the worker", inMiB, peak, "a fifth of the org", of(r.Fifth, name, peaked), 1.5},
		)
	}
	return rows
}

// peaks are the step that took the most memory, and the one that grew the most with the
// org; the worker's sweeps have rows of their own.
func (r result) peaks() []row {
	var most, grown row
	for _, name := range slices.Sorted(maps.Keys(r.Steps)) {
		peak, fifth := r.Steps[name].Peak, r.Fifth[name].Peak
		if name == "floor" || strings.HasSuffix(name, "sweep") || r.Steps[name].NotYet {
			continue
		}
		if peak > most.ours.n {
			most = row{"peak memory, at " + name, inMiB, value{n: peak}, "", value{}, 96}
		}
		if fifth > 0 && (grown.theirs.n == 0 || peak/fifth > grown.ours.n/grown.theirs.n) {
			grown = row{"peak memory, at " + name, inMiB, value{n: peak}, "a fifth of the org", value{n: fifth}, 1.5}
		}
	}
	return []row{most, grown}
}

// ratio is ours to theirs; there is none when one of them lacks.
func (r row) ratio() (float64, bool) {
	there := r.beside != "" && r.ours.lack == "" && r.theirs.lack == "" && r.theirs.n > 0
	return r.ours.n / max(r.theirs.n, 1e-12), there
}

// broke begins the verdict on a promise that is not kept.
const broke = "BROKEN"

// verdict says whether a promise is kept; "" where there is none.
func (r row) verdict() string {
	got, most := r.ours.n, r.most
	if r.beside != "" {
		ratio, there := r.ratio()
		if most == 0 {
			return ""
		}
		if r.ours.lack == "" && !there {
			return r.theirs.lack
		}
		got = ratio
	}
	switch {
	case r.ours.lack != "":
		return r.ours.lack
	case got <= most:
		return "kept"
	case most == 0:
		return broke
	}
	return fmt.Sprintf("%s %.1f times", broke, got/most)
}

func (r row) broken() bool { return strings.HasPrefix(r.verdict(), broke) }

// line is a row as JSON; what lacks is null.
func (r row) line() any {
	number := func(v value) *float64 {
		if v.lack != "" {
			return nil
		}
		return &v.n
	}
	line := struct {
		Type    string   `json:"type"` // "row"
		What    string   `json:"what"`
		Unit    unit     `json:"unit"`
		Imago   *float64 `json:"imago"`
		Beside  string   `json:"beside,omitempty"`
		Theirs  *float64 `json:"theirs,omitempty"`
		Ratio   *float64 `json:"ratio,omitempty"`
		AtMost  *float64 `json:"at_most,omitempty"` // a share of theirs, or a number
		Verdict string   `json:"verdict,omitempty"`
	}{Type: "row", What: r.what, Unit: r.unit, Imago: number(r.ours), Beside: r.beside, Verdict: r.verdict()}
	if r.beside != "" {
		line.Theirs = number(r.theirs)
	}
	if ratio, there := r.ratio(); there {
		line.Ratio = &ratio
	}
	if r.beside == "" || r.most != 0 {
		line.AtMost = &r.most
	}
	return line
}

// show is a number for people.
func (u unit) show(n float64) string {
	switch {
	case u == inBytes && n >= 1e6:
		return fmt.Sprintf("%.2f MB", n/1e6)
	case u == inBytes && n >= 1e3:
		return fmt.Sprintf("%.1f KB", n/1e3)
	case u == inBytes:
		return fmt.Sprintf("%.0f B", n)
	case u == inCPU && n < 1:
		return fmt.Sprintf("%.1f ms", n*1000)
	case u == inCPU:
		return fmt.Sprintf("%.2f s", n)
	case u == inMiB:
		return fmt.Sprintf("%.0f MiB", n)
	}
	return fmt.Sprintf("%.0f", n)
}

func (u unit) value(v value) string {
	if v.lack != "" {
		return v.lack
	}
	return u.show(v.n)
}

// share shows a ratio, small ones as fractions.
func share(ratio float64) string {
	if ratio < 0.5 {
		return fmt.Sprintf("1/%.3g", 1/ratio)
	}
	return fmt.Sprintf("%.2f", ratio)
}

// cells are a row for people.
func (r row) cells() []any {
	beside, ratio, most := "", "", ""
	if r.beside == "" {
		most = r.unit.show(r.most)
	} else {
		beside = r.unit.value(r.theirs) + " " + r.beside
		if r.most != 0 {
			most = share(r.most)
		}
	}
	if n, there := r.ratio(); there {
		ratio = share(n)
	}
	return []any{r.what, r.unit, r.unit.value(r.ours), beside, ratio, most, r.verdict()}
}

func (r result) title() string {
	if r.Type == "sweep" {
		return fmt.Sprintf("the worker's sweep of an org of %d users", bigorg.Full.Users)
	}
	return fmt.Sprintf("the repository at %g of the full org (%.0f MB of JSON)", r.Scale, r.Org["1"]/1e6)
}

// writeTable writes what was measured for people.
func (r result) writeTable(out io.Writer) error {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	_, err := fmt.Fprintf(table, "%s\n\nwhat\tunit\timago\tbeside\tratio\tat most\t\n", r.title())
	for _, row := range r.rows() {
		_, failed := fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", row.cells()...)
		err = errors.Join(err, failed)
	}
	if r.Scale != 1 {
		_, failed := fmt.Fprintln(table, "\nthe promises are of the full org")
		err = errors.Join(err, failed)
	}
	return errors.Join(err, table.Flush())
}
