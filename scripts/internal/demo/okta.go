package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// admin is one of the customer's administrators, at work in Okta through its API,
// with a token and an address of their own.
type admin struct {
	org   string
	name  string
	token string
	ip    string
}

// call makes one request; into may be nil. Changes are printed.
func (a *admin) call(ctx context.Context, method, path string, body, into any) error {
	if method != http.MethodGet {
		fmt.Printf("okta> %s %s   (%s)\n", method, path, a.name)
	}
	var payload io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return err
		}
		payload = bytes.NewReader(text)
	}
	req, err := http.NewRequestWithContext(ctx, method, a.org+path, payload)
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "SSWS "+a.token)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", "Okta admin console")
	req.Header.Set("X-Forwarded-For", a.ip)
	return send(req, into)
}

// send makes a request and reads its answer.
func send(req *http.Request, into any) (err error) {
	client := &http.Client{Timeout: 30 * time.Second}
	res, err := client.Do(req)
	if err != nil {
		return err
	}
	defer func() {
		if cerr := res.Body.Close(); err == nil {
			err = cerr
		}
	}()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		return err
	}
	if res.StatusCode >= 300 {
		return fmt.Errorf("%s %s: %s: %s", req.Method, req.URL.Path, res.Status, text)
	}
	if into == nil {
		return nil
	}
	return json.Unmarshal(text, into)
}

// tokenFor asks the simulator's control port for an API token, as the person would
// make one in the admin console.
func tokenFor(ctx context.Context, control, login string) (string, error) {
	body := strings.NewReader(fmt.Sprintf(`{"login":%q,"name":"demo"}`, login))
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, control+"/control/v1/api-tokens", body)
	if err != nil {
		return "", err
	}
	req.Header.Set("Content-Type", "application/json")
	var out struct {
		Token string `json:"token"`
	}
	return out.Token, send(req, &out)
}

// credential is what `imago connect` says of a service app.
type credential struct {
	Purpose   string          `json:"purpose"`
	ClientID  string          `json:"client_id"`
	PublicJWK json.RawMessage `json:"public_jwk"`
	Scopes    []string        `json:"scopes"`
	AdminRole string          `json:"admin_role"`
}

// serviceApp does in Okta what `imago connect` asks for: the app with the key, the
// scopes, the role. It gives the client ID.
func (a *admin) serviceApp(ctx context.Context, label, role string, c credential) (string, error) {
	var app struct {
		ID string `json:"id"`
	}
	if err := a.call(ctx, http.MethodPost, "/api/v1/apps", appBody(label, c.PublicJWK), &app); err != nil {
		return "", err
	}
	fmt.Printf("okta> POST /api/v1/apps/%s/grants   (%d scopes)\n", app.ID, len(c.Scopes))
	for _, scope := range c.Scopes {
		if err := a.grant(ctx, app.ID, scope); err != nil {
			return "", err
		}
	}
	return app.ID, a.call(ctx, http.MethodPost, "/oauth2/v1/clients/"+app.ID+"/roles", map[string]string{"type": role}, nil)
}

// grant gives one scope, without printing: there are many.
func (a *admin) grant(ctx context.Context, app, scope string) error {
	body := strings.NewReader(fmt.Sprintf(`{"scopeId":%q,"issuer":%q}`, scope, a.org))
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, a.org+"/api/v1/apps/"+app+"/grants", body)
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "SSWS "+a.token)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("X-Forwarded-For", a.ip)
	return send(req, nil)
}

// appBody is an API service app that signs in with a private key.
// https://developer.okta.com/docs/guides/implement-oauth-for-okta-serviceapp/
func appBody(label string, jwk json.RawMessage) any {
	return map[string]any{
		"name": "oidc_client", "label": label, "signOnMode": "OPENID_CONNECT",
		"credentials": map[string]any{"oauthClient": map[string]any{"token_endpoint_auth_method": "private_key_jwt"}},
		"settings": map[string]any{"oauthClient": map[string]any{
			"application_type": "service", "grant_types": []string{"client_credentials"}, "response_types": []string{"token"},
			"jwks": map[string]any{"keys": []json.RawMessage{jwk}},
		}},
	}
}

// switchApp activates or deactivates an app.
func (a *admin) switchApp(ctx context.Context, app, to string) error {
	return a.call(ctx, http.MethodPost, "/api/v1/apps/"+app+"/lifecycle/"+to, nil, nil)
}

// group finds a group's ID by its name.
func (a *admin) group(ctx context.Context, name string) (string, error) {
	var found []struct {
		ID      string `json:"id"`
		Profile struct {
			Name string `json:"name"`
		} `json:"profile"`
	}
	if err := a.call(ctx, http.MethodGet, "/api/v1/groups?q="+url.QueryEscape(name), nil, &found); err != nil {
		return "", err
	}
	for _, g := range found {
		if g.Profile.Name == name {
			return g.ID, nil
		}
	}
	return "", fmt.Errorf("the org has no group %q: an earlier run was interrupted before it was restored; start anew with --reset", name)
}

// members counts a group's members, up to Okta's page of 200.
func (a *admin) members(ctx context.Context, id string) (int, error) {
	var found []json.RawMessage
	err := a.call(ctx, http.MethodGet, "/api/v1/groups/"+id+"/users?limit=200", nil, &found)
	return len(found), err
}
