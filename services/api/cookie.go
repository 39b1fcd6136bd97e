package api

import (
	"net/http"
	"time"
)

// cookieName binds the cookie to this host, all of its paths and TLS: browsers take a
// cookie of such a name from nowhere else (RFC 6265bis, section 4.1.3.2).
const cookieName = "__Host-imago"

// cookie reads the session's token from a request's cookies; "" if there is none.
func cookie(h http.Header) string {
	r := http.Request{Header: h}
	c, err := r.Cookie(cookieName)
	if err != nil {
		return "" // http.ErrNoCookie is its only error
	}
	return c.Value
}

// setCookie gives a browser its session: out of reach of scripts, and sent by no page of
// another site.
func setCookie(h http.Header, token string, expires time.Time) {
	h.Add("Set-Cookie", sessionCookie(token, expires).String())
}

// dropCookie takes it back.
func dropCookie(h http.Header) { h.Add("Set-Cookie", sessionCookie("", time.Unix(1, 0)).String()) }

func sessionCookie(token string, expires time.Time) *http.Cookie {
	return &http.Cookie{
		Name: cookieName, Value: token, Path: "/", Expires: expires,
		Secure: true, HttpOnly: true, SameSite: http.SameSiteStrictMode,
	}
}
