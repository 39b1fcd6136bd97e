package api

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"connectrpc.com/connect"

	"imago/pkg/account"
	"imago/pkg/notify"
	"imago/pkg/postgres"
	"imago/pkg/postgres/messages"
	"imago/pkg/problem"
	imagov1 "imago/proto/imago/v1"
	rpc "imago/proto/imago/v1/imagov1connect"
)

type mailService struct{ *Service }

var _ rpc.MailServiceHandler = mailService{}

func (s *Service) mail() mailService { return mailService{s} }

func (s mailService) GetMailPreferences(ctx context.Context, _ *connect.Request[imagov1.GetMailPreferencesRequest]) (*connect.Response[imagov1.GetMailPreferencesResponse], error) {
	out := &imagov1.GetMailPreferencesResponse{Crowd: messages.Crowd}
	err := s.read(ctx, func(tx *postgres.Tx) (err error) {
		if out.DigestTime, err = digestTime(ctx, tx); err != nil {
			return err
		}
		out.Preferences, err = preferences(ctx, tx)
		return err
	})
	if err != nil {
		return nil, err
	}
	return connect.NewResponse(out), nil
}

func (s mailService) UpdateMailPreferences(ctx context.Context, r *connect.Request[imagov1.UpdateMailPreferencesRequest]) (*connect.Response[imagov1.UpdateMailPreferencesResponse], error) {
	return change(ctx, s.Service, r, func(w *work) (*imagov1.UpdateMailPreferencesResponse, error) {
		var said []string
		for _, wanted := range r.Msg.GetPreferences() {
			p, err := preference(wanted, w.Role())
			if err != nil {
				return nil, err
			}
			if err := messages.Prefer(ctx, w.Tx, p); err != nil {
				return nil, err
			}
			said = append(said, strings.TrimSuffix(string(p.Topic)+" "+string(p.Timing)+" "+p.Threshold, " "))
		}
		if d := r.Msg.GetDigestTime(); d != nil {
			if err := setDigestTime(ctx, w.Tx, d); err != nil {
				return nil, err
			}
			said = append(said, fmt.Sprintf("digest %02d:00 %s", d.GetHour(), d.GetTimeZone()))
		}
		at, err := digestTime(ctx, w.Tx)
		if err != nil {
			return nil, err
		}
		out, err := preferences(ctx, w.Tx)
		if err != nil || len(said) == 0 {
			return &imagov1.UpdateMailPreferencesResponse{Preferences: out, DigestTime: at}, err
		}
		return &imagov1.UpdateMailPreferencesResponse{Preferences: out, DigestTime: at},
			w.record(ctx, "choose_mail", "user", string(w.User()), strings.Join(said, ", "))
	})
}

// digestTime is when the caller's digest comes.
func digestTime(ctx context.Context, tx *postgres.Tx) (*imagov1.DigestTime, error) {
	d, err := messages.DigestTimeOf(ctx, tx)
	return &imagov1.DigestTime{Hour: int32(d.Hour), TimeZone: d.TimeZone}, err //nolint:gosec // at most 23
}

// setDigestTime stores when the caller's digest is to come.
func setDigestTime(ctx context.Context, tx *postgres.Tx, d *imagov1.DigestTime) error {
	if d.GetHour() < 0 || d.GetHour() > 23 {
		return problem.InField("digest_time.hour", "there is no hour %d", d.GetHour()).WithHint("write 0 to 23")
	}
	// Postgres alone would also take rules, such as XYZ+5; what "Local" and "localtime" are
	// each machine says by itself.
	_, err := time.LoadLocation(d.GetTimeZone())
	if err != nil || d.GetTimeZone() != "UTC" && !strings.Contains(d.GetTimeZone(), "/") {
		return problem.InField("digest_time.time_zone", "%q is no time zone", d.GetTimeZone()).WithHint("write it as Europe/Amsterdam, or UTC")
	}
	return messages.SetDigestTime(ctx, tx, messages.DigestTime{Hour: int(d.GetHour()), TimeZone: d.GetTimeZone()})
}

// preference reads what is wanted of a topic.
func preference(m *imagov1.MailPreference, r account.Role) (p messages.Preference, err error) {
	p = messages.Preference{Topic: notify.Topic(m.GetTopic()), Timing: notify.Timing(m.GetTiming()), Threshold: m.GetThreshold()}
	if p.Topic.Default(r) == "" {
		return p, problem.InField("preferences.topic", "there is no topic %q for your role (%s)", p.Topic, r).WithHint("GetMailPreferences lists the topics")
	}
	if !slices.Contains(p.Topic.Timings(), p.Timing) {
		return p, problem.InField("preferences.timing", "mail about %s cannot come %q", p.Topic.Title(), p.Timing).WithHint("write %s", orList(p.Topic.Timings()))
	}
	if p.Threshold != "" && (p.Topic != notify.Drift || !slices.Contains(notify.Severities(), p.Threshold)) {
		return p, problem.InField("preferences.threshold", "%q is no threshold of mail about %s", p.Threshold, p.Topic.Title()).
			WithHint("write low, medium, high or critical for drift, and nothing for others")
	}
	return p, nil
}

// orList is a list for a sentence.
func orList[T ~string](all []T) string {
	return strings.Join(each(all, func(t T) string { return string(t) }), ", or ")
}

// preferences are the topics that the caller's role may be told of, as they stand.
func preferences(ctx context.Context, tx *postgres.Tx) (out []*imagov1.MailPreference, err error) {
	chosen, err := messages.Preferences(ctx, tx)
	if err != nil {
		return nil, err
	}
	for _, t := range notify.Topics() {
		standard := t.Default(tx.Role())
		if standard == "" {
			continue
		}
		p := messages.Preference{Topic: t}
		if i := slices.IndexFunc(chosen, func(p messages.Preference) bool { return p.Topic == t }); i >= 0 {
			p = chosen[i]
		}
		shape := &imagov1.MailPreference{
			Topic: string(t), Timing: string(orDefault(p.Timing, standard)), Threshold: p.Threshold,
			Timings: each(t.Timings(), func(t notify.Timing) string { return string(t) }), Stopped: p.Stopped,
		}
		if p.StoppedAt != nil {
			shape.StoppedAt = stamp(*p.StoppedAt)
		}
		out = append(out, shape)
	}
	return out, nil
}
