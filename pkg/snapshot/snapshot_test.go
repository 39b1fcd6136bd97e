package snapshot

import "testing"

// What an org has not got leaves a snapshot complete; everything else that was not
// read does not.
func TestComplete(t *testing.T) {
	t.Parallel()
	for reason, want := range map[Reason]bool{
		"": true, NotLicensed: true, Forbidden: false, Truncated: false, Failed: false,
	} {
		m := Manifest{Types: []TypeStatus{{Type: "user"}, {Type: "realm"}}}
		if reason != "" {
			m.Types[1].Gaps = []Gap{{Type: "realm", Reason: NotLicensed}, {Type: "realm", Reason: reason}}
		}
		if m.Complete() != want || m.Types[1].Complete() != want || !m.Types[0].Complete() {
			t.Errorf("a gap %q: complete %v, want %v", reason, m.Complete(), want)
		}
	}
}
