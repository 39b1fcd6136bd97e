package cli

import (
	"context"
	"path"
	"strings"

	"github.com/caarlos0/env/v11"
	"github.com/spf13/cobra"

	"imago/pkg/account"
	"imago/pkg/blob/s3"
	"imago/pkg/envelope/keyservice"
	"imago/pkg/problem"
	"imago/pkg/provider/okta"
	"imago/pkg/resource"
	"imago/services/cli/internal/archive"
)

// opening are the flags of what opens a repository without a server.
type opening struct {
	keys     keyservice.Config
	escrow   string
	identity string
	store    s3.Config
	account  string
	snapshot string
}

const placeHelp = "PLACE is a directory that the bucket was copied into, or s3://BUCKET. What opens it is the\n" +
	"master key (--master-keys, or AWS KMS or Vault by the variables of the services), or an\n" +
	"escrow and the age identity that it was sealed to. Nothing is written there, and nobody\n" +
	"is asked but the bucket and, if it has one, the key service."

func (p *program) openCommand() *cobra.Command {
	var o opening
	cmd := &cobra.Command{
		Use:   "open",
		Short: "Open backups from a bucket or a copied directory, with the key alone",
		Long: "open reads what Imago has kept, without a server, a database or a network: for the day\n" +
			"on which these are gone.\n\n" + placeHelp,
		Example: example(
			"imago open list ./copy --master-keys master.keys", "which snapshots there are",
			"imago open verify ./copy --escrow imago.age --identity key.txt", "read and verify everything",
			"imago open export s3://acme-backups --format sqlite --out acme.db", "a snapshot as a database"),
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	p.openingFlags(cmd, &o)
	cmd.PersistentFlags().StringVar(&o.snapshot, "snapshot", "latest", "which one: an ID, its beginning or end, a folder's beginning, a time, or latest")
	cmd.AddCommand(p.openListCommand(&o), p.openShowCommand(&o), p.openSearchCommand(&o), p.openHistoryCommand(&o),
		p.openDiffCommand(&o), p.openExportCommand(&o), p.openVerifyCommand(&o))
	return cmd
}

// openingFlags are those that say what opens a repository.
func (p *program) openingFlags(cmd *cobra.Command, o *opening) {
	flags := cmd.PersistentFlags()
	flags.StringVar(&o.keys.Local, "master-keys", "", "file of the master keys (IMAGO_MASTER_KEYS)")
	flags.StringVar(&o.escrow, "escrow", "", "file of an escrow: the account's keys, sealed to an age recipient")
	flags.StringVar(&o.identity, "identity", "", "file of the age identity that opens the escrow")
	flags.StringVar(&o.account, "account", "", "the account's ID; needed only where there are several")
	flags.StringVar(&o.store.Endpoint, "endpoint", "", "URL of another store than Amazon S3 (IMAGO_STORE_ENDPOINT)")
	flags.StringVar(&o.store.Region, "region", "", "the bucket's region (IMAGO_STORE_REGION)")
	flags.BoolVar(&o.store.PathStyle, "path-style", false, "for stores that want the bucket in the path (IMAGO_STORE_PATH_STYLE)")
	flags.StringVar(&o.store.KeyID, "access-key-id-file", "", "file with the ID of the bucket's access key; absent: as AWS's own tools find it")
	flags.StringVar(&o.store.Key, "secret-access-key-file", "", "file with the access key")
}

// surroundings are the variables of the services that say the same as the flags.
type surroundings struct {
	Keys  keyservice.Config
	Store s3.Config `envPrefix:"STORE_"`
}

// environment reads them. The bucket stands in the command line.
func (p *program) environment() (s surroundings, err error) {
	o := env.Options{Prefix: "IMAGO_", Environment: map[string]string{"IMAGO_STORE_BUCKET": "-"}}
	names, err := env.GetFieldParamsWithOptions(&s, o)
	if err != nil {
		return s, err
	}
	for _, name := range names {
		if value := p.Getenv(name.Key); value != "" {
			o.Environment[name.Key] = value
		}
	}
	if err := env.ParseWithOptions(&s, o); err != nil {
		return s, usage("the environment: %v", err)
	}
	return s, nil
}

// archive opens what lies at a place.
func (p *program) archive(ctx context.Context, place string, o *opening) (*archive.Archive, error) {
	from, keys, err := p.sourceAndKeys(ctx, place, o)
	if err != nil {
		return nil, err
	}
	return archive.Open(ctx, from, keys, account.ID(o.account))
}

func (p *program) sourceAndKeys(ctx context.Context, place string, o *opening) (from archive.Source, keys archive.Keys, err error) {
	around, err := p.environment()
	if err != nil {
		return from, keys, err
	}
	from = archive.Source{Place: place, Bucket: over(around.Store, o.store)}
	if o.escrow != "" || o.identity != "" {
		if o.escrow == "" || o.identity == "" {
			return from, keys, usage("--escrow and --identity belong together")
		}
		return from, archive.Keys{Escrow: o.escrow, Identity: o.identity}, nil
	}
	if o.keys.Local != "" {
		around.Keys.Local = o.keys.Local
	}
	if around.Keys.Local == "" && !around.Keys.Given() {
		return from, keys, withHint(usage("there is no key to open it with"),
			"give --master-keys FILE, or --escrow FILE --identity FILE")
	}
	keys.Service, err = around.Keys.Open(ctx)
	return from, keys, err
}

// over gives what flags say of the bucket, and what they do not say from the environment.
func over(around, flags s3.Config) s3.Config {
	for _, f := range []struct{ into, flag *string }{
		{&around.Endpoint, &flags.Endpoint}, {&around.Region, &flags.Region}, {&around.KeyID, &flags.KeyID}, {&around.Key, &flags.Key},
	} {
		if *f.flag != "" {
			*f.into = *f.flag
		}
	}
	around.PathStyle = around.PathStyle || flags.PathStyle
	return around
}

// repositories opens those of the account that is meant.
func (p *program) repositories(ctx context.Context, a *archive.Archive, o *opening) ([]archive.Repository, error) {
	id := o.account
	if all := a.Accounts(); id == "" && len(all) > 1 {
		return nil, withHint(usage("%s holds %d accounts: %s", a.Place(), len(all), strings.Join(all, ", ")), "say which with --account ID")
	} else if id == "" {
		id = all[0]
	}
	all, err := a.Repositories(ctx, account.ID(id))
	if err != nil || p.connection == "" {
		return all, err
	}
	return p.meant(ctx, all)
}

// meant picks the connection that the person names, by its ID or its org.
func (p *program) meant(ctx context.Context, all []archive.Repository) ([]archive.Repository, error) {
	var ids []string
	for _, r := range all {
		ids = append(ids, string(r.Connection))
		if string(r.Connection) == p.connection || abbreviates(p.connection, string(r.Connection)) {
			return []archive.Repository{r}, nil
		}
	}
	for _, r := range all {
		if s, err := r.Find(ctx, "latest"); err == nil && sameOrg(s.Manifest().Org, p.connection) {
			return []archive.Repository{r}, nil
		}
	}
	return nil, usage("there is no connection %q: there is %s", p.connection, strings.Join(ids, ", "))
}

// repository opens the only connection, or the one that the person names.
func (p *program) repository(ctx context.Context, place string, o *opening) (r archive.Repository, err error) {
	a, err := p.archive(ctx, place, o)
	if err != nil {
		return r, err
	}
	all, err := p.repositories(ctx, a, o)
	if err != nil {
		return r, err
	}
	if len(all) > 1 {
		var ids []string
		for _, r := range all {
			ids = append(ids, string(r.Connection))
		}
		return r, withHint(usage("there are %d connections: %s", len(all), strings.Join(ids, ", ")), "say which with --connection ID")
	}
	return all[0], nil
}

// catalog is what this program knows of types: their titles, and what names their objects.
func catalog() resource.Catalog { return okta.New(okta.Options{}).Catalog() }

// explainProblem says what an error of ours says that no server has told.
func explainProblem(f *failure, found *problem.Problem) {
	f.Kind, f.Field, f.What = string(found.Kind), found.Field, found.What
	if found.Hint != "" {
		f.Hint = found.Hint
	}
	switch {
	case found.Kind == problem.Denied:
		f.code = exitRefused
	case found.Field != "":
		f.code = exitUsage
	}
}

// folderOf is a snapshot's folder.
func folderOf(prefix string) string { return path.Base(prefix) }
