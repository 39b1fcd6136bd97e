package cli_test

import (
	"context"

	"connectrpc.com/connect"

	imagov1 "imago/proto/imago/v1"
)

// wants are the fake's mail preferences.
func (f *fake) wants() *imagov1.GetMailPreferencesResponse {
	if f.mail == nil {
		f.mail = &imagov1.GetMailPreferencesResponse{
			Preferences: []*imagov1.MailPreference{{Topic: "drift", Timing: "now", Threshold: "high"}, {Topic: "backups", Timing: "now", Stopped: "spam_report"}},
			DigestTime:  &imagov1.DigestTime{Hour: 6, TimeZone: "UTC"},
		}
	}
	return f.mail
}

func (f *fake) GetMailPreferences(context.Context, *connect.Request[imagov1.GetMailPreferencesRequest]) (*connect.Response[imagov1.GetMailPreferencesResponse], error) {
	return connect.NewResponse(f.wants()), nil
}

func (f *fake) UpdateMailPreferences(_ context.Context, r *connect.Request[imagov1.UpdateMailPreferencesRequest]) (*connect.Response[imagov1.UpdateMailPreferencesResponse], error) {
	have := f.wants()
	if d := r.Msg.GetDigestTime(); d != nil {
		if d.GetHour() > 23 {
			return nil, problem(connect.CodeInvalidArgument, "invalid", "digest_time.hour", "there is no hour 24", "write 0 to 23")
		}
		have.DigestTime = d
	}
	for _, wanted := range r.Msg.GetPreferences() {
		for i, c := range have.GetPreferences() {
			if c.GetTopic() == wanted.GetTopic() {
				have.Preferences[i] = wanted
			}
		}
	}
	return connect.NewResponse(&imagov1.UpdateMailPreferencesResponse{Preferences: have.GetPreferences(), DigestTime: have.GetDigestTime()}), nil
}
