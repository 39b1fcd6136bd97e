package api

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"imago/pkg/repository"
	imagov1 "imago/proto/imago/v1"
)

// TestVersionsOfPoints: a point's change is a version, with who made it where the monitor
// knows; and of all the points that did not touch the object few are asked.
func TestVersionsOfPoints(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Config{})
	p := w.owner()
	c := w.db.Connection(t, p.account)
	swept := w.take(p, c, []thing{group("00g1", "Finance"), group("00g2", "Sales"), user("00u1", "ann@acme.test")})
	ids := map[string]string{}
	last := swept
	for n := range 70 {
		switch n {
		case 20:
			last = w.point(p, c, last, group("00g1", "Money"))
			ids[last] = "renamed"
		case 30: // what moves by itself
			last = w.point(p, c, last, thing{"group/00g1", `{"id":"00g1","lastMembershipUpdated":"2026-01-02T03:04:05.000Z","profile":{"name":"Money"},"type":"OKTA_GROUP"}`})
		case 60:
			last = w.point(p, c, last, thing{key: "group/00g1"})
			ids[last] = "deleted"
		default:
			last = w.point(p, c, last, user("00u1", fmt.Sprintf("ann%d@acme.test", n)))
		}
	}
	w.finding(p, c) // that group/00g1 was deleted
	for id, what := range ids {
		if what == "deleted" {
			w.turn(id, "ended_at", "now() + interval '1 minute'")
		}
	}
	w.api.cache = repository.NewCache(cached)
	w.reads.Reset()
	var got []string
	m := &imagov1.ListVersionsRequest{ConnectionId: string(c), Key: "group/00g1", PageSize: 1}
	for {
		res, err := p.snapshots.ListVersions(t.Context(), req(m))
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range res.Msg.GetVersions() {
			got = append(got, fmt.Sprint(v.GetOp(), " ", ids[v.GetSnapshotId()], " ", len(v.GetFields()), " ", v.GetActor()))
		}
		if m.PageToken = res.Msg.GetNextPageToken(); m.PageToken == "" {
			break
		}
	}
	if diff := cmp.Diff([]string{"delete deleted 0 eve@acme.test", "update renamed 1 ", "  0 "}, got); diff != "" {
		t.Error(diff)
	}
	if n := w.reads.Reset().Total().Requests; n > 40 {
		t.Errorf("%d reads for three pages of 71 snapshots", n)
	}
}
