package account

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

func TestSecretsAreNotShown(t *testing.T) {
	t.Parallel()
	const key = "-----BEGIN PRIVATE KEY-----"
	c := Credential{ClientID: "0oa1", PrivateKey: Secret(key)}
	var log bytes.Buffer
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "secret", c.PrivateKey, "credential", c)
	body, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	for what, s := range map[string]string{
		"%v": fmt.Sprintf("%v", c), "%+v": fmt.Sprintf("%+v", c), "%#v": fmt.Sprintf("%#v", c),
		"%s":   fmt.Sprintf("%s", c.PrivateKey), //nolint:staticcheck // the verb is what is tested
		"slog": log.String(), "json": string(body),
	} {
		if strings.Contains(s, "PRIVATE") {
			t.Errorf("%s shows the secret: %s", what, s)
		}
	}
	if c.PrivateKey.Reveal() != key {
		t.Error("Reveal does not give the secret")
	}
}
