package api

import (
	"errors"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"imago/services/oktasim/internal/doc"
	"imago/services/oktasim/internal/jose"
	"imago/services/oktasim/internal/org"
)

// proof shows that who sends a request has the private half of a key (DPoP, RFC 9449).
type proof struct {
	proofClaims
	// thumbprint names the key.
	thumbprint string
}

type proofClaims struct {
	Method string     `json:"htm"`
	URL    string     `json:"htu"`
	Issued *jose.Date `json:"iat"`
	ID     string     `json:"jti"`
	Nonce  string     `json:"nonce"`
	Access string     `json:"ath"`
}

// proofError says why a proof is refused (RFC 9449, sections 5 and 7.1).
type proofError struct{ code, description string }

func (e *proofError) Error() string { return e.code + ": " + e.description }

func badProof(description string) error { return &proofError{"invalid_dpop_proof", description} }

// errNonce asks for a proof with the nonce that the answer's header brings. The text is
// documented.
var errNonce = &proofError{"use_dpop_nonce", "Authorization server requires nonce in DPoP proof."}

// proofAlgorithms are those that Okta announces.
const proofAlgorithms = "RS256 RS384 RS512 ES256 ES384 ES512"

// proof reads the request's DPoP header. What it claims is not checked yet, but that the
// key in it has signed it.
func (c *call) proof() (*proof, error) {
	headers := c.r.Header.Values("DPoP")
	switch len(headers) {
	case 0:
		return nil, badProof("The DPoP proof JWT header is missing.")
	case 1:
	default:
		return nil, badProof("More than one DPoP proof JWT header is present.")
	}
	t, err := jose.Parse(headers[0])
	if err != nil {
		return nil, badProof("The DPoP proof JWT could not be parsed.")
	}
	p := &proof{thumbprint: jose.Thumbprint(t.Head.Key)}
	switch {
	case t.Head.Type != "dpop+jwt":
		return nil, badProof("'typ' header in the DPoP proof JWT is invalid.")
	case !slices.Contains(strings.Fields(proofAlgorithms), t.Head.Algorithm):
		return nil, badProof("'alg' header in the DPoP proof JWT is invalid.")
	case !jose.IsPublic(t.Head.Key):
		return nil, badProof("'jwk' header in the DPoP proof JWT is invalid.")
	}
	key, err := jose.PublicKey(t.Head.Key)
	if err != nil {
		return nil, badProof("'jwk' header in the DPoP proof JWT is invalid.")
	}
	if err := errors.Join(t.Verify(key), t.Claims(&p.proofClaims)); err != nil {
		return nil, badProof("The DPoP proof JWT signature is invalid.")
	}
	return p, nil
}

// proofLife is how old a proof may be (its refusal says so).
const proofLife = 5 * time.Minute

// fits checks that a proof was made for this request, and lately.
func (c *call) fits(p *proof) error {
	now, issued := c.org.Now(), p.Issued.Time()
	switch {
	case p.Method != c.r.Method:
		return badProof("'htm' claim in the DPoP proof JWT is invalid.")
	case !c.isTarget(p.URL):
		return badProof("'htu' claim in the DPoP proof JWT is invalid.")
	case p.Issued == nil:
		return badProof("'iat' claim in the DPoP proof JWT is missing.")
	case issued.Before(now.Add(-proofLife)):
		return badProof("The DPoP proof JWT is issued more than five minutes in the past.")
	case issued.After(now.Add(proofLife)):
		return badProof("The DPoP proof JWT is issued more than five minutes in the future.")
	}
	return nil
}

// isTarget compares without scheme and port: Okta's own examples have http for orgs that
// know nothing but https, and its SDKs drop ports. A query is refused, as is a path with
// escapes, which Okta undoes before it compares (okta-sdk-nodejs#453, #521).
func (c *call) isTarget(htu string) bool {
	u, err := url.Parse(htu)
	if err != nil || u.RawQuery != "" || u.Fragment != "" || u.Scheme != "http" && u.Scheme != "https" {
		return false
	}
	_, path, _ := strings.Cut(strings.TrimPrefix(htu, u.Scheme+"://"), "/")
	return "/"+path == c.below+c.r.URL.Path && (isHost(c.org.Base(), u) || isHost(c.origin(), u))
}

func isHost(base string, u *url.URL) bool {
	b, err := url.Parse(base)
	return err == nil && strings.EqualFold(b.Hostname(), u.Hostname())
}

// spend notes the use of a proof, which is good for one (RFC 9449, section 11.1). The
// caller is inside Update.
func (c *call) spend(p *proof) error {
	if p.ID == "" {
		return badProof("'jti' claim in the DPoP proof JWT is missing.")
	}
	if c.org.Replayed(p.thumbprint, p.ID, p.Issued.Time().Add(proofLife)) {
		return badProof("The DPoP proof JWT has already been used.")
	}
	return nil
}

// bindingKey is the key to which a token request binds its token; "" without a proof, which
// the app may demand. The caller is inside Update.
func (c *call) bindingKey(a *org.App) (string, error) {
	demanded := doc.Bool(a.Body, "settings", "oauthClient", "dpop_bound_access_tokens")
	if !demanded && len(c.r.Header.Values("DPoP")) == 0 {
		return "", nil
	}
	p, err := c.proof()
	if err != nil {
		return "", err
	}
	c.set("DPoP-Nonce", c.nonce(0))
	if err := c.fits(p); err != nil {
		return "", err
	}
	if !c.isNonce(p.Nonce) {
		return "", errNonce
	}
	return p.thumbprint, c.spend(p)
}

// A nonce is renewed every 24 hours and good for three days (documented).
const (
	nonceLife   = 24 * time.Hour
	noncesKnown = 3
)

// nonce is the one of so many lives ago. It follows from the org and the time, so that
// nothing has to be kept.
func (c *call) nonce(ago int64) string {
	n := c.org.Now().Unix()/int64(nonceLife.Seconds()) - ago
	return jose.Hash(c.org.Info().ID + " nonce " + strconv.FormatInt(n, 10))[:32]
}

func (c *call) isNonce(text string) bool {
	for ago := range int64(noncesKnown) {
		if text == c.nonce(ago) {
			return true
		}
	}
	return false
}

// possesses checks that who presents an access token has the key that it is bound to. A
// nonce is not demanded here (documented); one that is known no more is replaced
// (assumption).
func (c *call) possesses(t *org.AccessToken) error {
	p, err := c.proof()
	if err != nil {
		return err
	}
	if err := c.fits(p); err != nil {
		return err
	}
	switch {
	case p.Access != jose.Hash(t.Value):
		return badProof("'ath' claim in the DPoP proof does not match the presented access_token.")
	case p.thumbprint != t.Thumbprint:
		return badProof("The DPoP proof JWT is signed with another key than the access token is bound to.")
	case p.Nonce != "" && !c.isNonce(p.Nonce):
		c.set("DPoP-Nonce", c.nonce(0))
		return errNonce
	}
	return c.org.Update(func() error { return c.spend(p) })
}
