package api

import (
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"imago/pkg/diff"
	"imago/pkg/drift"
	"imago/pkg/problem"
	"imago/pkg/provider"
	"imago/pkg/resource"
	"imago/pkg/snapshot"
	imagov1 "imago/proto/imago/v1"
)

// What the rooms below hand up, in the shapes of the contract.

// stamp gives a time; the zero time is absent.
func stamp(t time.Time) *timestamppb.Timestamp {
	if t.IsZero() {
		return nil
	}
	return timestamppb.New(t)
}

// stampAt gives a time that may be absent.
func stampAt(t *time.Time) *timestamppb.Timestamp {
	if t == nil {
		return nil
	}
	return stamp(*t)
}

func problemShape(p *problem.Problem) *imagov1.Problem {
	if p == nil {
		return nil
	}
	return &imagov1.Problem{Kind: string(p.Kind), Field: p.Field, What: p.What, Hint: p.Hint}
}

func gapShape(g snapshot.Gap) *imagov1.Gap {
	return &imagov1.Gap{Type: string(g.Type), Parent: g.Parent, Reason: string(g.Reason), Detail: g.Detail}
}

func gapShapes(gaps []snapshot.Gap) []*imagov1.Gap {
	return each(gaps, gapShape)
}

func fieldShape(f diff.Field) *imagov1.Field {
	return &imagov1.Field{Path: f.Path, Before: string(f.Before), After: string(f.After)}
}

// title is what a type is called for people.
func title(c resource.Catalog, t resource.Type) string {
	if info, ok := c.Info(t); ok && info.Title != "" {
		return info.Title
	}
	return strings.ReplaceAll(string(t), "_", " ")
}

func changeShape(c resource.Catalog, ch diff.Change, label, parentLabel string) *imagov1.Change {
	return &imagov1.Change{
		Key: ch.Key.String(), TypeTitle: title(c, ch.Key.Type), Label: label, ParentLabel: parentLabel,
		Op: string(ch.Op), Fields: each(ch.Fields, fieldShape),
	}
}

// attributionShape tells who did it. It is certain only where the log names one
// event; of more candidates none is named.
func attributionShape(a drift.Attribution) *imagov1.Attribution {
	if a.Event == nil {
		return &imagov1.Attribution{}
	}
	out := eventShape(*a.Event)
	out.Certain = len(a.Candidates) == 0
	return out
}

func eventShape(e provider.Event) *imagov1.Attribution {
	return &imagov1.Attribution{
		Actor: actorName(e.Actor), ActorType: e.Actor.Type, ActorId: e.Actor.ID,
		Ip: e.Client.IP, UserAgent: e.Client.UserAgent, Place: e.Client.Place,
		Event: e.Name, EventId: e.ID, Transaction: e.Transaction, Time: stamp(e.Time),
	}
}

// actorName is how a person knows the actor best.
func actorName(a provider.Actor) string {
	for _, name := range []string{a.Login, a.Name, a.ID} {
		if name != "" {
			return name
		}
	}
	return ""
}

// each shapes every element.
func each[A, B any](list []A, shape func(A) B) []B {
	out := make([]B, 0, len(list))
	for _, a := range list {
		out = append(out, shape(a))
	}
	return out
}
