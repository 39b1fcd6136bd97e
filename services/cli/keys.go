package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"time"

	"connectrpc.com/connect"
	"github.com/spf13/cobra"

	imagov1 "imago/proto/imago/v1"
)

func (p *program) keysCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "keys",
		Short: "Rotate the account's data key, and keep escrows of it",
		Long: "keys tells under which data key the account's snapshots are sealed. An escrow is that\n" +
			"key, and those before it, sealed to an age recipient of your own (age-encryption.org):\n" +
			"with it, and the identity that only you have, your backups open without Imago. It is\n" +
			"made anew after each rotation. Who has both opens everything: keep the identity offline.",
		Example: example(
			"imago keys", "which key seals, and which escrows there are",
			"imago keys rotate", "have a new one made; what was sealed before stays",
			"imago keys retire", "have what was sealed before sealed anew, and the older keys retired",
			"imago keys escrow --recipient age1… --out escrow.age", "seal them to your own key, and fetch that",
			"imago keys escrow get 4662e315 --out escrow.age", "fetch it again, after a rotation",
			"imago keys escrow remove 4662e315", "keep one no longer"),
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return p.showKeys(cmd.Context()) },
	}
	cmd.AddCommand(p.keysRotate(), p.keysRetire(), p.keysEscrow())
	return cmd
}

func (p *program) keysRotate() *cobra.Command {
	return &cobra.Command{
		Use: "rotate", Short: "Have a new data key made, under which everything is sealed that comes after", Args: noArgs,
		Example: example("imago keys rotate", "it seals within ten minutes"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			api, err := p.api()
			if err != nil {
				return err
			}
			res, err := api.keys.RotateKey(cmd.Context(), connect.NewRequest(&imagov1.RotateKeyRequest{}))
			if err != nil {
				return err
			}
			return p.printKeys(res.Msg.GetKeys())
		},
	}
}

func (p *program) keysRetire() *cobra.Command {
	return &cobra.Command{
		Use: "retire", Short: "Have all snapshots sealed under the newest data key, and the older keys retired", Args: noArgs,
		Long: "retire has everything sealed anew that lies under an older data key, in the background,\n" +
			"and then the older keys retired: nothing that is sealed under them is read, or believed,\n" +
			"any more. Who copied the bucket before, and has an old key, still reads that copy. Object\n" +
			"locks are waited for. imago keys tells how far it is.",
		Example: example("imago keys retire", "after imago keys rotate, when somebody may have the old key"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			api, err := p.api()
			if err != nil {
				return err
			}
			res, err := api.keys.RetireKeys(cmd.Context(), connect.NewRequest(&imagov1.RetireKeysRequest{}))
			if err != nil {
				return err
			}
			return p.printKeys(res.Msg.GetKeys())
		},
	}
}

// printUses tells what lies under which key, where that may change.
func (p *program) printUses(k *imagov1.Keys) {
	if k.GetRetiring() {
		p.print("older keys are to be retired: what lies under them is being sealed anew\n")
	} else if k.GetOldest() > 1 {
		p.print("keys before %d are retired\n", k.GetOldest())
	}
	if !k.GetRetiring() && len(k.GetUses()) < 2 {
		return
	}
	for _, u := range k.GetUses() {
		if u.GetVersion() == 0 {
			p.print("%d objects lie under keys that are still to be looked up\n", u.GetObjects())
			continue
		}
		p.print("%d objects lie under data key %d\n", u.GetObjects(), u.GetVersion())
	}
}

func (p *program) keysEscrow() *cobra.Command {
	var recipient, out string
	cmd := &cobra.Command{
		Use: "escrow", Short: "Have the keys sealed to an age recipient of your own", Args: noArgs,
		Example: example("imago keys escrow --recipient age1… --out escrow.age", "age-keygen prints the recipient as the public key"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if recipient == "" {
				return withHint(usage("--recipient is missing"), "age-keygen -o identity.txt prints one; keep identity.txt offline")
			}
			return p.createEscrow(cmd.Context(), recipient, out)
		},
	}
	cmd.Flags().StringVar(&recipient, "recipient", "", "an age public key, age1…")
	cmd.Flags().StringVar(&out, "out", "", "write the sealed file here, and not to standard output; it must not be there")
	var to string
	get := &cobra.Command{
		Use: "get ESCROW", Short: "Fetch the sealed file", Args: needArgs(1, "ESCROW"),
		Example: example("imago keys escrow get 4662e315 --out escrow.age", "the newest of it"),
		RunE:    func(cmd *cobra.Command, args []string) error { return p.getEscrow(cmd.Context(), args[0], to) },
	}
	get.Flags().StringVar(&to, "out", "", "write it here, and not to standard output; it must not be there")
	cmd.AddCommand(get, &cobra.Command{
		Use: "remove ESCROW", Short: "Keep an escrow no longer", Args: needArgs(1, "ESCROW"),
		Example: example("imago keys escrow remove 4662e315", "whoever has it still opens what was sealed until now"),
		RunE:    func(cmd *cobra.Command, args []string) error { return p.removeEscrow(cmd.Context(), args[0]) },
	})
	return cmd
}

func (p *program) showKeys(ctx context.Context) error {
	api, err := p.api()
	if err != nil {
		return err
	}
	keys, err := api.dataKeys(ctx)
	if err != nil {
		return err
	}
	return p.printKeys(keys)
}

func (a *api) dataKeys(ctx context.Context) (*imagov1.Keys, error) {
	res, err := a.keys.GetKeys(ctx, connect.NewRequest(&imagov1.GetKeysRequest{}))
	if err != nil {
		return nil, err
	}
	return res.Msg.GetKeys(), nil
}

func (p *program) printKeys(k *imagov1.Keys) error {
	if p.json {
		return p.emit("keys", k)
	}
	state := fmt.Sprintf("data key %d seals", max(1, k.GetVersion()))
	if by := k.GetWrappedBy(); by != "" {
		state += ", wrapped by " + map[string]string{"local": "a master key of the installation", "aws-kms": "AWS KMS", "vault": "Vault"}[by]
	}
	if k.GetRotating() {
		state += "; a new one is being made, and seals within ten minutes"
	}
	p.print("%s\n", state)
	p.printUses(k)
	if len(k.GetEscrows()) == 0 {
		p.print("no escrow: without Imago's master key nobody opens your backups (imago keys escrow --help)\n")
		return nil
	}
	table := [][]string{{"ESCROW", "RECIPIENT", "HOLDS KEYS TO", "MADE"}}
	for _, e := range k.GetEscrows() {
		made, to := "soon", "-"
		if e.GetMadeAt() != nil {
			made, to = e.GetMadeAt().AsTime().UTC().Format("2006-01-02 15:04"), strconv.Itoa(int(e.GetVersion()))
		}
		table = append(table, []string{short(e.GetId()), cut(clean(e.GetRecipient())), to, made})
	}
	p.table(table)
	return nil
}

// cut shortens a post-quantum recipient, which has two thousand characters.
func cut(recipient string) string {
	if len(recipient) > 70 {
		return recipient[:66] + "…"
	}
	return recipient
}

func (p *program) createEscrow(ctx context.Context, recipient, out string) error {
	if err := vacant(out); err != nil {
		return err
	}
	api, err := p.api()
	if err != nil {
		return err
	}
	res, err := api.keys.CreateEscrow(ctx, connect.NewRequest(&imagov1.CreateEscrowRequest{Recipient: recipient}))
	if err != nil {
		return err
	}
	id := res.Msg.GetEscrow().GetId()
	p.notice("the keys are being sealed; imago keys escrow get %s fetches them, too", short(id))
	return p.fetchEscrow(ctx, api, id, out)
}

func (p *program) getEscrow(ctx context.Context, prefix, out string) error {
	if err := vacant(out); err != nil {
		return err
	}
	api, err := p.api()
	if err != nil {
		return err
	}
	id, err := api.escrowID(ctx, prefix)
	if err != nil {
		return err
	}
	return p.fetchEscrow(ctx, api, id, out)
}

// patienceForEscrow is how often, two seconds apart, an escrow is looked for that is to be made.
const patienceForEscrow = 60

// fetchEscrow waits until an escrow is made, and writes it.
func (p *program) fetchEscrow(ctx context.Context, api *api, id, out string) error {
	for range patienceForEscrow {
		res, err := api.keys.GetEscrow(ctx, connect.NewRequest(&imagov1.GetEscrowRequest{EscrowId: id}))
		if err != nil {
			return err
		}
		if file := res.Msg.GetFile(); file != "" {
			return p.writeEscrow(res.Msg, out)
		}
		if err := p.Wait(ctx, 2*time.Second); err != nil {
			return err
		}
	}
	return withHint(errors.New("the escrow is not made yet: the worker, or its key service, may be away"), "later: imago keys escrow get %s", short(id))
}

func (p *program) writeEscrow(m *imagov1.GetEscrowResponse, out string) error {
	if out == "" {
		if p.json {
			return p.emit("escrow", m)
		}
		p.print("%s", m.GetFile())
		return nil
	}
	f, err := os.OpenFile(out, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteString(m.GetFile())
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if p.json {
		return p.emit("escrow", m.GetEscrow())
	}
	p.notice("%s holds the keys up to data key %d; try it: age -d -i identity.txt %s", out, m.GetEscrow().GetVersion(), out)
	return nil
}

// vacant refuses to write over something, before anything is asked of the server.
func vacant(path string) error {
	if path == "" {
		return nil
	}
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		return usage("--out: %s is there already", path)
	}
	return nil
}

func (p *program) removeEscrow(ctx context.Context, prefix string) error {
	api, err := p.api()
	if err != nil {
		return err
	}
	id, err := api.escrowID(ctx, prefix)
	if err != nil {
		return err
	}
	if _, err := api.keys.DeleteEscrow(ctx, connect.NewRequest(&imagov1.DeleteEscrowRequest{EscrowId: id})); err != nil {
		return err
	}
	p.notice("the escrow is no longer kept; whoever has it still opens what was sealed until now (imago keys rotate)")
	return nil
}

// escrowID finds an escrow by the beginning or the end of its ID.
func (a *api) escrowID(ctx context.Context, id string) (string, error) {
	return full("escrow", id, func(yield func(string) bool) error {
		keys, err := a.dataKeys(ctx)
		for _, e := range keys.GetEscrows() {
			if !yield(e.GetId()) {
				break
			}
		}
		return err
	})
}
