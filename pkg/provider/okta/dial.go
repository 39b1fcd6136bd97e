package okta

import (
	"net/http"

	"imago/pkg/outbound"
	"imago/pkg/problem"
)

// newTransport is the transport below ours; public keeps it from reaching into the
// network that it runs in.
func newTransport(public bool) http.RoundTripper {
	if !public {
		return outbound.Transport(nil)
	}
	return outbound.Transport(errNotPublic)
}

func errNotPublic() error {
	return problem.InField("org_url", "it does not lead to an address of the public Internet").
		WithHint("give the org's own address, as in https://acme.okta.com")
}
