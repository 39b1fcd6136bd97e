package cli

import (
	"context"
	"fmt"
	"net/mail"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"imago/pkg/account"
	"imago/pkg/postgres/catalogue"
	"imago/pkg/postgres/cluster"
	"imago/services/cli/internal/rebuild"
)

// rebuilding are the flags of `imago repo rebuild`.
type rebuilding struct {
	database string
	data     string
	owner    string
	dry      bool
}

// rebuiltLine is what was done about an account or, if it names one, a connection.
type rebuiltLine struct {
	Type       string   `json:"type"` // "account", "connection"
	Account    string   `json:"account"`
	Connection string   `json:"connection,omitempty"`
	Org        string   `json:"org,omitempty"`
	Made       bool     `json:"made"` // else it was there, or was passed over
	Keyring    bool     `json:"keyring,omitempty"`
	Owner      string   `json:"owner,omitempty"`
	Owners     int64    `json:"owners,omitempty"`
	Snapshots  int64    `json:"snapshots_made"`
	There      int64    `json:"snapshots_there"`
	Passed     int      `json:"passed_over"`
	Unchained  []string `json:"unchained,omitempty"` // folders of those of which the snapshot before is not there
	DryRun     bool     `json:"dry_run"`
}

// passedLine is an object that was passed over.
type passedLine struct {
	Type    string `json:"type"` // "passed_over"
	Account string `json:"account"`
	Object  string `json:"object"`
	What    string `json:"what"`
	Hint    string `json:"hint,omitempty"`
	Damage  bool   `json:"damage"`
}

// unknownLine says what the bucket does not tell.
type unknownLine struct {
	Type string   `json:"type"` // "unknown"
	What []string `json:"what"`
}

// unknown is what no bucket knows.
func unknown() []string {
	return []string{
		"people but the owner that you name, their roles, passkeys and sessions, and how accounts sign in",
		"which snapshots there were besides: where one names another before it that is not there, that was forgotten, or somebody removed it",
		"names: an account and a connection are called as their org",
		"credentials: each connection needs new keys, imago connect NAME --new-key",
		"schedules, retention, pins, and why a snapshot was taken: nothing expires for 30 days",
		"findings and what was said of them, plans and restores, mail settings, escrows, subscriptions",
		"the activity log: it begins anew with this; and an account's deletion that was under way",
	}
}

func (p *program) repoRebuildCommand(o *opening) *cobra.Command {
	var r rebuilding
	cmd := &cobra.Command{
		Use:   "rebuild PLACE",
		Short: "Put the catalogue back from the bucket, into a database that lost it",
		Long: "rebuild puts accounts, connections and snapshots back as the bucket knows them, under the\n" +
			"IDs that they had: old snapshots are browsed, compared and restored again, and the next\n" +
			"sweep stands on them. What is there stays as it is, so it can be run again at any time.\n" +
			"A manifest that does not open is told of and passed over; the exit code is then 3. It ends\n" +
			"with what the bucket does not know.\n\n" +
			"--database names the file with the URL of the database, as its owner, of which\n" +
			"imago-migrate has made the tables. With --data, the data directory of an imagod that runs,\n" +
			"PLACE, the master keys and the database are its own.\n\n" +
			"--owner is whom an account that nobody owns is given to: they sign in with a mailed code.\n\n" + repoHelp + "\n\n" + placeHelp,
		Example: example(
			"imago repo rebuild s3://acme-backups --database owner.url --dry-run", "what would be put back",
			"imago repo rebuild s3://acme-backups --database owner.url --account 019a… --owner ada@example.com", "one account, and whose it is",
			"imago repo rebuild --data /var/lib/imago --owner ada@example.com", "of imagod, on one machine"),
		Args: maxArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return p.rebuild(cmd.Context(), args, o, r) },
	}
	flags := cmd.Flags()
	flags.StringVar(&r.database, "database", "", "file with the database's URL, as its owner (IMAGO_DATABASE_URL_FILE)")
	flags.StringVar(&r.data, "data", "", "data directory of the imagod that runs on this machine")
	flags.StringVar(&r.owner, "owner", "", "e-mail address of who is to own an account that nobody owns")
	flags.BoolVar(&r.dry, "dry-run", false, "change nothing, and tell what would be put back")
	return cmd
}

func (p *program) rebuild(ctx context.Context, args []string, o *opening, r rebuilding) error {
	place, url, err := p.meantInstallation(args, o, r)
	if err != nil {
		return err
	}
	if err := r.checkOwner(); err != nil {
		return err
	}
	a, err := p.archive(ctx, place, o)
	if err != nil {
		return err
	}
	if all := a.Accounts(); r.owner != "" && o.account == "" && len(all) > 1 {
		return withHint(usage("%s holds %d accounts: %s", a.Place(), len(all), strings.Join(all, ", ")),
			"say with --account ID which one %s is to own", clean(r.owner))
	}
	failed := false
	err = rebuild.Run(ctx, a, catalogue.New(url), rebuild.Options{
		Account: account.ID(o.account), Owner: r.owner, DryRun: r.dry, Now: p.Now(),
		Tell: func(d rebuild.Done) { failed = p.showRebuilt(d, r) || failed },
	})
	if err != nil {
		return err
	}
	if err := p.showUnknowable(r.dry); err != nil || !failed {
		return err
	}
	return errIncomplete
}

// checkOwner refuses what is no address, and what nobody could sign in with.
func (r rebuilding) checkOwner() error {
	if r.owner == "" {
		return nil
	}
	if a, err := mail.ParseAddress(r.owner); err != nil || a.Address != r.owner || len(r.owner) > 254 {
		return usage("--owner %q is no e-mail address", r.owner)
	}
	return nil
}

// meantInstallation says where the bucket and the database are that belong together.
func (p *program) meantInstallation(args []string, o *opening, r rebuilding) (place, url string, err error) {
	if o.escrow != "" || o.identity != "" {
		return "", "", usage("an escrow opens snapshots, and is no installation's key: give the master key")
	}
	if r.data != "" {
		return p.dataDirectory(args, o, r)
	}
	if len(args) == 0 {
		return "", "", usage("PLACE is missing")
	}
	url, err = p.databaseURL(r.database)
	return args[0], url, err
}

// databaseURL reads the file that the flag names, or else the environment.
func (p *program) databaseURL(file string) (string, error) {
	by := "--database"
	if file == "" {
		by = "IMAGO_DATABASE_URL_FILE"
		file = p.Getenv(by)
	}
	const hint = "give --database FILE, which holds its URL, as its owner"
	if file == "" {
		return "", withHint(usage("there is no database to put it back into"), hint)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return "", usage("%s: %v", by, err)
	}
	url := strings.TrimSpace(string(text))
	if url == "" {
		return "", withHint(usage("%s: %s is empty", by, file), hint)
	}
	return url, nil
}

// dataDirectory is where imagod keeps its bucket, its master keys and its database.
func (p *program) dataDirectory(args []string, o *opening, r rebuilding) (place, url string, err error) {
	if len(args) > 0 || r.database != "" {
		return "", "", usage("--data says where the bucket and the database are: leave out PLACE and --database")
	}
	keys := filepath.Join(r.data, "master.keys")
	if _, err := os.Stat(keys); err == nil && o.keys.Local == "" {
		o.keys.Local = keys
	}
	url, err = cluster.URLOf(filepath.Join(r.data, "postgres"), "imago", cluster.Superuser)
	return filepath.Join(r.data, "objects", "buckets", "imago"), url, err
}

// showRebuilt tells what was done, and reports whether something was passed over that
// should not be as it is.
func (p *program) showRebuilt(d rebuild.Done, r rebuilding) (failed bool) {
	for _, one := range d.Passed {
		failed = failed || one.Damage
		p.showPassed(d, one)
	}
	line := rebuiltLine{
		"account", string(d.Account), string(d.Connection), d.Org, d.Made.Account, d.Made.Keyring, "", d.Owners,
		d.Made.Snapshots, d.There, len(d.Passed), d.Unchained, r.dry,
	}
	if d.Made.Owner {
		line.Owner = r.owner
	}
	if d.Connection != "" {
		line.Type, line.Made = "connection", d.Made.Connection
	}
	switch {
	case p.json:
		p.emitLine(line)
	case d.Connection != "":
		p.print("%s\n", p.rebuiltConnection(line))
	case len(d.Passed) == 0:
		p.print("%s\n", p.rebuiltAccount(line))
	}
	return failed
}

// emitLine prints a line for programs. Nobody is there to tell that it could not.
func (p *program) emitLine(line any) {
	if err := p.emitValue(line); err != nil {
		p.notice("%v", err)
	}
}

func (p *program) showPassed(d rebuild.Done, one rebuild.Passed) {
	if p.json {
		p.emitLine(passedLine{"passed_over", string(d.Account), one.Object, one.Problem.What, one.Problem.Hint, one.Damage})
		return
	}
	p.print("%s %s\n", p.paint(red, "passed over:"), clean(one.Problem.Error()))
}

func (p *program) rebuiltAccount(l rebuiltLine) string {
	text := "Account " + clean(l.Account) + " " + putBack(l.Made, l.DryRun)
	if l.Keyring {
		text += "; the bucket has a newer keyring, which " + takes(l.DryRun)
	}
	switch {
	case l.Owner != "":
		text += "; " + clean(l.Owner) + " is its owner, and signs in with a mailed code"
	case l.Owners == 0:
		text += p.paint(yellow, "; nobody owns it: run this again with --account "+clean(l.Account)+" --owner EMAIL")
	}
	return text
}

func takes(dry bool) string {
	if dry {
		return "would take the place of the catalogue's"
	}
	return "has taken the place of the catalogue's"
}

func putBack(made, dry bool) string {
	switch {
	case !made:
		return "is there"
	case dry:
		return "would be put back"
	}
	return "is put back"
}

func (p *program) rebuiltConnection(l rebuiltLine) string {
	if l.Org == "" {
		return "  Connection " + clean(l.Connection) + " is passed over"
	}
	text := fmt.Sprintf("  Connection %s to %s %s: %s %s, %s there", clean(l.Connection), clean(l.Org), putBack(l.Made, l.DryRun),
		count(l.Snapshots, "snapshot"), map[bool]string{true: "would be put back", false: "put back"}[l.DryRun], number(l.There))
	if l.Passed > 0 {
		text += ", " + p.paint(red, number(int64(l.Passed))+" passed over")
	}
	if len(l.Unchained) > 0 {
		text += "\n    " + notAfter(l.Unchained)
	}
	return text
}

func (p *program) showUnknowable(dry bool) error {
	if p.json {
		return p.emitValue(unknownLine{"unknown", unknown()})
	}
	p.print("\nWhat the bucket does not know:\n")
	for _, what := range unknown() {
		p.print("  - %s\n", what)
	}
	if dry {
		p.notice("nothing was changed")
	}
	return nil
}
