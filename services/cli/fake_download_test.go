package cli_test

import (
	"archive/tar"
	"context"
	"fmt"
	"net/http"
	"strings"

	"connectrpc.com/connect"

	"imago/pkg/blob"
	"imago/pkg/blob/dir"
	imagov1 "imago/proto/imago/v1"
)

func (f *fake) CreateDownload(_ context.Context, r *connect.Request[imagov1.CreateDownloadRequest]) (*connect.Response[imagov1.CreateDownloadResponse], error) {
	name := "sealed"
	if r.Msg.GetPlain() {
		name = "plain"
	}
	return connect.NewResponse(&imagov1.CreateDownloadResponse{Url: "/v1/downloads/" + name + "/secret"}), nil
}

// download gives what the script offers, whole or cut off.
func (f *fake) download(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	from, used, cut, altered := f.offered, f.set["used"], f.set["cut"], f.set["altered"]
	f.mu.Unlock()
	switch {
	case r.Header.Get("Authorization") != "Bearer "+token:
		w.WriteHeader(http.StatusUnauthorized)
	case used:
		w.WriteHeader(http.StatusGone)
		fmt.Fprint(w, `{"detail":"the download was taken already","hint":"ask for the download again"}`)
	case r.PathValue("id") == "plain":
		fmt.Fprintln(w, `{"type":"end","objects":0}`)
	default:
		if err := pack(r.Context(), w, from, altered); err != nil {
			panic(err)
		}
	}
	if cut {
		panic(http.ErrAbortHandler)
	}
}

// pack writes a copied bucket as an archive, altered: with segments that are not as they were.
func pack(ctx context.Context, w http.ResponseWriter, from string, altered bool) error {
	store, err := dir.Open(from, dir.Options{})
	if err != nil {
		return err
	}
	out := tar.NewWriter(w)
	for o, err := range store.List(ctx, "users/") {
		if err != nil {
			return err
		}
		data, err := blob.ReadAll(ctx, store, o.Key, 1<<20)
		if err != nil {
			return err
		}
		if altered && strings.Contains(o.Key, "/seg-") {
			data[len(data)-1] ^= 1
		}
		if err := out.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: o.Key, Size: int64(len(data)), Mode: 0o600}); err != nil {
			return err
		}
		if _, err := out.Write(data); err != nil {
			return err
		}
	}
	return out.Close()
}
