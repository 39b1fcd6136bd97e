package cli

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"imago/pkg/repository"
	"imago/services/cli/internal/archive"
)

// checkedLine is the outcome for one connection, for programs.
type checkedLine struct {
	Type       string   `json:"type"` // "check"
	Account    string   `json:"account"`
	Connection string   `json:"connection"`
	Data       string   `json:"data"` // "all", "none", or the part that was read: "5%"
	Snapshots  int64    `json:"snapshots"`
	Objects    int64    `json:"objects"` // as the manifests count them
	Segments   int64    `json:"segments"`
	Read       int64    `json:"segments_read"`
	Proved     int64    `json:"segments_proved"` // whose digests were computed anew
	Bytes      int64    `json:"bytes"`
	Unnamed    int64    `json:"unnamed_objects"`
	Unchained  []string `json:"unchained"`               // folders of those of which the snapshot before is not there
	Newest     string   `json:"newest,omitempty"`        // folder
	Digest     string   `json:"newest_digest,omitempty"` // of its manifest
	Damaged    int      `json:"damaged"`
}

// damageLine is one damaged object, for programs.
type damageLine struct {
	Type       string   `json:"type"` // "damage"
	Account    string   `json:"account"`
	Connection string   `json:"connection"`
	Object     string   `json:"object"`
	What       string   `json:"what"`
	Snapshots  []string `json:"snapshots"` // folders of those that cannot be opened whole
	Hint       string   `json:"hint"`
}

// looking says how closely a repository is looked at.
type looking struct {
	data    bool
	digests bool // of all that is read are computed anew
	sample  percent
}

func (l looking) String() string {
	switch {
	case l.data:
		return "all"
	case l.sample > 0:
		return l.sample.String()
	}
	return "none"
}

// percent is a flag: "5%", or "5".
type percent float64

// Set takes what the person wrote.
func (s *percent) Set(text string) error {
	n, err := strconv.ParseFloat(strings.TrimSuffix(text, "%"), 64)
	if err != nil || !(n >= 0 && n <= 100) {
		return fmt.Errorf("it is a part from 0%% to 100%%")
	}
	*s = percent(n)
	return nil
}

// String is what Set takes.
func (s *percent) String() string { return strconv.FormatFloat(float64(*s), 'g', -1, 64) + "%" }

// Type names it in the help.
func (*percent) Type() string { return "percent" }

func (p *program) openVerifyCommand(o *opening) *cobra.Command {
	var quick bool
	cmd := &cobra.Command{
		Use:   "verify PLACE",
		Short: "Read everything, and verify that it is as it was written",
		Long: "verify opens every snapshot, reads every object that one stands on, and compares their\n" +
			"records with what the manifests tell. Of each damaged object it says which snapshots\n" +
			"stand on it; the exit code is then 3.\n\n" +
			"Each manifest names the one before it. Where that is not there, it was forgotten, or\n" +
			"somebody removed it: verify names the snapshot after it, which is no damage. A lone copy\n" +
			"cannot tell these apart, nor that the newest snapshots are missing, or that all of it was\n" +
			"put back to an older state: verify names the newest snapshot and the digest of its\n" +
			"manifest, to compare with the account's activity log.\n\n" + placeHelp,
		Example: example(
			"imago open verify ./copy --master-keys master.keys", "a copy of the bucket",
			"imago open verify s3://acme-backups --escrow imago.age --identity key.txt --quick", "only that nothing is missing"),
		Args: needArgs(1, "PLACE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.check(cmd.Context(), args[0], o, looking{data: !quick, digests: !quick})
		},
	}
	cmd.Flags().BoolVar(&quick, "quick", false, "look only that every object is there in its size; read manifests alone")
	return cmd
}

// check looks at the repositories of the account that is meant, or of all.
func (p *program) check(ctx context.Context, place string, o *opening, l looking) error {
	a, err := p.archive(ctx, place, o)
	if err != nil {
		return err
	}
	all, err := p.repositories(ctx, a, o)
	if err != nil {
		return err
	}
	return p.checkAll(ctx, a, all, l)
}

func (p *program) checkAll(ctx context.Context, a *archive.Archive, all []archive.Repository, l looking) error {
	damaged := false
	for _, r := range all {
		report, err := r.Check(ctx, repository.CheckOptions{Data: l.data, Records: l.digests, Sample: float64(l.sample) / 100, Seed: rand.Uint64()})
		if err == nil {
			err = p.showReport(ctx, a, r, report, l)
		}
		if err != nil {
			return err
		}
		damaged = damaged || len(report.Damage) > 0
	}
	if damaged {
		return errIncomplete
	}
	return nil
}

func (p *program) showReport(ctx context.Context, a *archive.Archive, r archive.Repository, report repository.Report, l looking) error {
	line := checkedLine{
		"check", string(r.Account), string(r.Connection), l.String(), report.Snapshots, report.Objects, report.Segments, report.Read, report.Proved, report.Bytes,
		report.Rubbish, foldersOf(report.Unchained), "", "", len(report.Damage),
	}
	newest, err := r.Find(ctx, "latest")
	switch {
	case err == nil:
		line.Newest, line.Digest = folderOf(newest.Prefix()), newest.Digest()
	case !archive.Unreadable(err): // one that does not open stands in the report
		return err
	}
	for _, d := range report.Damage {
		if err := p.showDamage(damageOf(a, r, d), report.Snapshots); err != nil {
			return err
		}
	}
	if p.json {
		return p.emitValue(line)
	}
	p.showChecked(line)
	return nil
}

// damageOf says what damage means, and what to do.
func damageOf(a *archive.Archive, r archive.Repository, d repository.Damage) damageLine {
	out := damageLine{"damage", string(r.Account), string(r.Connection), d.Object, d.What, foldersOf(d.Snapshots), "bring it back from the bucket's versions or from a copy"}
	if a.Copied() {
		out.Hint = "copy it again from the bucket"
	}
	out.Hint = cmp.Or(d.Hint, out.Hint)
	return out
}

func foldersOf(prefixes []string) []string {
	out := make([]string, len(prefixes))
	for i, p := range prefixes {
		out[i] = folderOf(p)
	}
	return out
}

func (p *program) showDamage(d damageLine, all int64) error {
	if p.json {
		return p.emitValue(d)
	}
	what := strings.TrimLeft(strings.TrimPrefix(d.What, d.Object), ": ")
	p.print("%s %s %s\n", p.paint(red, "damaged"), clean(d.Object), clean(what))
	p.print("  concerns %d of %s: %s\n", len(d.Snapshots), count(all, "snapshot"), few(d.Snapshots))
	p.print("  %s\n", d.Hint)
	return nil
}

// few shows the first and the last of many.
func few(names []string) string {
	if len(names) <= 4 {
		return strings.Join(names, ", ")
	}
	return strings.Join(names[:2], ", ") + ", … " + names[len(names)-1]
}

func (p *program) showChecked(l checkedLine) {
	p.print("Connection %s: %s, %s, %s of %s", l.Connection, count(l.Snapshots, "snapshot"), count(l.Objects, "object"), size(l.Bytes), count(l.Segments, "segment"))
	p.print(", data read of %s", number(l.Read))
	if l.Read > l.Proved {
		p.print(", digests computed of %s", number(l.Proved))
	}
	if l.Damaged == 0 {
		p.print(": %s.\n", p.paint(green, "no damage"))
	} else {
		p.print(": %s.\n", p.paint(red, count(int64(l.Damaged), "damaged object")))
	}
	if l.Unnamed > 0 {
		p.print("  %s to no snapshot: left by what stopped midway, writing or copying.\n", plural(l.Unnamed, "object belongs", "objects belong"))
	}
	if len(l.Unchained) > 0 {
		p.print("  %s\n", notAfter(l.Unchained))
		p.print("  That was forgotten, or somebody removed it: the account's activity log has those that were taken.\n")
	}
	if l.Newest != "" {
		p.print("  Newest is %s, its manifest's SHA-256 %s.\n", l.Newest, l.Digest)
		p.print("  A lone copy cannot tell whether newer ones are missing: the account's activity log can.\n")
	}
}

// notAfter names snapshots of which the one before is not there.
func notAfter(folders []string) string {
	return fmt.Sprintf("%s not after the one that it names: %s.", plural(int64(len(folders)), "snapshot comes", "snapshots come"), few(folders))
}

func plural(n int64, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return number(n) + " " + many
}
