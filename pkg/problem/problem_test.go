package problem

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

func TestProblemSaysFieldSentenceAndHintButNotTheCause(t *testing.T) {
	t.Parallel()
	cause := errors.New("dial tcp 10.0.0.7: secret")
	p := InField("org_url", "%q is not an Okta org", "https://x").
		WithHint("use https://your-org.okta.com").Because(cause)
	const want = `org_url: "https://x" is not an Okta org (use https://your-org.okta.com)`
	if p.Error() != want {
		t.Errorf("got %q, want %q", p.Error(), want)
	}
	if strings.Contains(p.Error(), "10.0.0.7") {
		t.Error("the cause is shown")
	}
	if !errors.Is(p, cause) {
		t.Error("the cause is lost")
	}
}

func TestOfFindsAWrappedProblem(t *testing.T) {
	t.Parallel()
	err := fmt.Errorf("list groups: %w", New(Stale, "the group has changed"))
	if !Is(err, Stale) || Is(err, Invalid) || Of(err).What != "the group has changed" {
		t.Errorf("got %v", Of(err))
	}
	if Of(errors.New("boom")) != nil || Of(nil) != nil {
		t.Error("an internal error became a problem")
	}
}
