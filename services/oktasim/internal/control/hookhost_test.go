package control_test

import (
	"strings"
	"testing"

	"imago/services/oktasim/internal/doc"
)

func TestHookHosts(t *testing.T) {
	t.Parallel()
	p := start(t)
	led := p.ask("POST", "/hook-hosts", `{"host":"hooks.example.com","url":"http://127.0.0.1:9/in"}`)
	if doc.Object(led, "hosts")["hooks.example.com"] != "http://127.0.0.1:9/in" {
		t.Errorf("%v", led)
	}
	status, text := p.send("POST", p.back+"/control/v1/hook-hosts", `{"host":"hooks.example.com","url":"http://192.0.2.1/"}`)
	if status != 400 || !strings.Contains(text, "loopback") {
		t.Errorf("%d %s", status, text)
	}
	p.ask("POST", "/hook-hosts", `{"host":"hooks.example.com"}`)
	if left := p.ask("GET", "/hook-hosts", ""); len(doc.Object(left, "hosts")) != 0 {
		t.Errorf("%v", left)
	}
}
