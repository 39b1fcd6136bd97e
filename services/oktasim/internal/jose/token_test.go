package jose

import (
	"testing"
	"time"

	"imago/services/oktasim/internal/doc"
)

// TestThumbprint is the example of RFC 7638, section 3.1.
func TestThumbprint(t *testing.T) {
	t.Parallel()
	key := doc.Doc{
		"kty": "RSA", "e": "AQAB", "alg": "RS256", "kid": "2011-04-29",
		"n": "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw",
	}
	if got := Thumbprint(key); got != "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs" {
		t.Errorf("got %s", got)
	}
}

// TestSharedSecret is the example of RFC 7515, appendix A.1.
func TestSharedSecret(t *testing.T) {
	t.Parallel()
	token, err := Parse("eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk")
	if err != nil {
		t.Fatal(err)
	}
	var claims struct {
		Expires *Date `json:"exp"`
		Missing *Date `json:"nbf"`
	}
	if err := token.Claims(&claims); err != nil || !claims.Expires.Time().Equal(time.Unix(1300819380, 0)) || !claims.Missing.Time().IsZero() {
		t.Errorf("claims %+v, %v", claims, err)
	}
	key := doc.Doc{"k": "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow"}
	secret, err := bytesOf(key)
	if err != nil {
		t.Fatal(err)
	}
	if err := token.Verify(secret); err != nil {
		t.Error(err)
	}
	if token.Verify([]byte("another")) == nil {
		t.Error("another secret was believed")
	}
}

func bytesOf(jwk doc.Doc) ([]byte, error) {
	n, err := number(jwk, "k")
	if err != nil {
		return nil, err
	}
	return n.Bytes(), nil
}

// FuzzParse reads any token and any key in it: neither may be believed.
func FuzzParse(f *testing.F) {
	for _, s := range []string{
		"", "..", "a.b.c", "e30.e30.", "eyJhbGciOiJub25lIn0.e30.", "eyJhbGciOiJIUzI1NiJ9.W10.AA", "bnVsbA.bnVsbA.bnVsbA",
		"eyJhbGciOiJFUzI1NiIsImp3ayI6eyJrdHkiOiJFQyIsImNydiI6IlAtMjU2IiwieCI6IkFBIiwieSI6IkFBIn19.e30.AAAA",
		"eyJhbGciOiJSUzI1NiIsImp3ayI6eyJrdHkiOiJSU0EiLCJuIjoiQUEiLCJlIjoiQUEifX0.e30.AAAA",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		token, err := Parse(text)
		if err != nil {
			return
		}
		key, err := PublicKey(token.Head.Key)
		if err == nil && token.Verify(key) == nil {
			t.Errorf("%q was believed", text)
		}
		if token.Verify(nil) == nil || token.Verify([]byte("secret")) == nil {
			t.Errorf("%q was believed without a key", text)
		}
	})
}
