package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"strings"

	"connectrpc.com/connect"
	"github.com/spf13/cobra"

	imagov1 "imago/proto/imago/v1"
	"imago/services/cli/internal/archive"
)

// downloading are the flags of `imago download`.
type downloading struct{ all, plain bool }

// downloadedLine is what a download says to programs.
type downloadedLine struct {
	Type      string `json:"type"` // "download"
	Place     string `json:"place"`
	Snapshots int64  `json:"snapshots,omitempty"`
	Objects   int64  `json:"objects,omitempty"`
	Bytes     int64  `json:"bytes"`
	Checked   int64  `json:"checked,omitempty"`
}

func (p *program) downloadCommand() *cobra.Command {
	var d downloading
	cmd := &cobra.Command{
		Use:   "download SNAPSHOT|--all PLACE",
		Short: "Take a snapshot, or all of a connection, away",
		Long: "download copies a snapshot with all that it stands on into a directory, sealed as it is:\n" +
			"imago open reads it there, with an escrow (imago keys escrow) or the operator's master key,\n" +
			"and nothing else does. What came is compared with its checksums. With --plain the\n" +
			"snapshot comes decrypted, as JSON Lines, into a file: keep that accordingly.\n" +
			"Owners and admins may, after a step-up, and the activity log tells of it.",
		Example: example(
			"imago download latest ./copy", "the newest snapshot, sealed",
			"imago download --all ./copy", "all that are kept",
			"imago open list ./copy --escrow imago.age --identity key.txt", "what is in there",
			"imago download latest acme.jsonl --plain", "decrypted, for a program"),
		Args: func(cmd *cobra.Command, args []string) error {
			if d.all && d.plain {
				return usage("--plain is of one snapshot")
			}
			if d.all {
				return needArgs(1, "PLACE")(cmd, args)
			}
			return needArgs(2, "SNAPSHOT", "PLACE")(cmd, args)
		},
		RunE: func(cmd *cobra.Command, args []string) error { return p.download(cmd.Context(), args, d) },
	}
	cmd.Flags().BoolVar(&d.all, "all", false, "all snapshots of the connection that are kept")
	cmd.Flags().BoolVar(&d.plain, "plain", false, "one snapshot, decrypted, as JSON Lines")
	return cmd
}

func (p *program) download(ctx context.Context, args []string, d downloading) error {
	api, conn, err := p.reach(ctx, nil)
	if err != nil {
		return err
	}
	if err := free(args[len(args)-1], d.plain); err != nil {
		return err
	}
	ask := &imagov1.CreateDownloadRequest{ConnectionId: conn.GetId(), SnapshotId: "all", Plain: d.plain}
	place := args[len(args)-1]
	if !d.all {
		if ask.SnapshotId, err = api.snapshotID(ctx, conn.GetId(), args[0]); err != nil {
			return err
		}
	}
	offer, err := api.snapshots.CreateDownload(ctx, connect.NewRequest(ask))
	if err != nil {
		return err
	}
	if d.plain {
		return p.downloadPlain(ctx, api, offer.Msg.GetUrl(), place)
	}
	return p.downloadSealed(ctx, api, offer.Msg.GetUrl(), place)
}

// free wants a place where nothing is yet, before anything is asked for: a file that is not
// there, or a directory that is empty.
func free(place string, file bool) error {
	in, err := os.ReadDir(place)
	switch {
	case errors.Is(err, fs.ErrNotExist), err == nil && !file && len(in) == 0:
		return nil
	case err == nil:
		err = fmt.Errorf("%s is not empty", place)
	case file:
		err = fmt.Errorf("%s is there already", place)
	}
	return withHint(err, "nothing was written: give another name")
}

// downloadSealed unpacks an archive, and says how it is opened.
func (p *program) downloadSealed(ctx context.Context, a *api, url, place string) (err error) {
	body, err := a.fetch(ctx, url)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, body.Close()) }()
	u, err := archive.Unpack(ctx, body, place)
	if err != nil {
		return withHint(err, "what came so far is in %s: remove it, or name another directory, and ask again", place)
	}
	if len(u.Wrong) > 0 {
		return withHint(fmt.Errorf("%s not as its checksums tell: %s", be(len(u.Wrong)), strings.Join(u.Wrong, ", ")),
			"remove %s, and ask again", place)
	}
	if p.json {
		return p.emitValue(downloadedLine{"download", place, u.Snapshots, u.Objects, u.Bytes, u.Checked})
	}
	p.print("%s in %s, %s; %s as the checksums tell.\n", count(u.Snapshots, "snapshot"), clean(place), size(u.Bytes), be(int(u.Checked)))
	p.notice("it is sealed: imago open list %s --escrow FILE --identity FILE, or --master-keys FILE", place)
	return nil
}

// be counts objects for a sentence.
func be(n int) string {
	if n == 1 {
		return "1 object is"
	}
	return fmt.Sprintf("%d objects are", n)
}

// downloadPlain writes a file, if all of it came.
func (p *program) downloadPlain(ctx context.Context, a *api, url, place string) error {
	var n int64
	err := writeWhole(place, func(temporary string) error {
		return into(temporary, func(w io.Writer) (err error) {
			body, err := a.fetch(ctx, url)
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, body.Close()) }()
			if n, err = io.Copy(w, body); errors.Is(err, io.ErrUnexpectedEOF) {
				err = withHint(errCutOff, "ask again; if it happens anew, look at imago status")
			}
			return err
		})
	})
	if err != nil {
		return err
	}
	if p.json {
		return p.emitValue(downloadedLine{Type: "download", Place: place, Bytes: n})
	}
	p.print("%s, %s, decrypted.\n", clean(place), size(n))
	return nil
}

// fetch asks for an address of the api as whoever is signed in.
func (a *api) fetch(ctx context.Context, url string) (io.ReadCloser, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, a.server+url, nil)
	if err != nil {
		return nil, err
	}
	a.who.sign(req.Header)
	res, err := a.http.Do(req)
	if err != nil {
		return nil, err
	}
	if res.StatusCode == http.StatusOK {
		return res.Body, nil
	}
	return nil, errors.Join(refusal(res), res.Body.Close())
}

// refusal is what a problem document says (RFC 9457).
func refusal(res *http.Response) error {
	var p struct{ Detail, Hint string }
	if err := json.NewDecoder(io.LimitReader(res.Body, 1<<20)).Decode(&p); err != nil || p.Detail == "" {
		return fmt.Errorf("the server answers %s", res.Status)
	}
	return withHint(errors.New(p.Detail), "%s", p.Hint)
}
