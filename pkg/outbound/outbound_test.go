package outbound

import (
	"net/netip"
	"testing"
)

func TestIsPublic(t *testing.T) {
	t.Parallel()
	for ip, want := range map[string]bool{
		"13.52.0.1": true, "2600:1f14::1": true,
		"127.0.0.1": false, "::1": false, "10.1.2.3": false, "172.16.0.1": false, "192.168.1.1": false, "169.254.169.254": false,
		"100.64.0.1": false, "0.0.0.0": false, "0.1.2.3": false, "::": false, "fd00::1": false, "fe80::1": false, "224.0.0.1": false,
		"255.255.255.255": false, "::ffff:127.0.0.1": false, "::ffff:10.0.0.1": false, "64:ff9b::7f00:1": false, "2002:7f00:1::": false,
	} {
		if got := isPublic(netip.MustParseAddr(ip)); got != want {
			t.Errorf("%s: public %v, want %v", ip, got, want)
		}
	}
}

func TestIsLoopback(t *testing.T) {
	t.Parallel()
	for host, want := range map[string]bool{
		"localhost": true, "127.0.0.1": true, "127.9.9.9": true, "::1": true, "::ffff:127.0.0.1": true,
		"": false, "api.localhost": false, "localhost.": false, "localhost.example.com": false, "0.0.0.0": false, "::": false, "10.0.0.7": false,
		"::ffff:10.0.0.7": false, "2130706433": false, "::1%lo": false,
	} {
		if got := IsLoopback(host); got != want {
			t.Errorf("%q: this machine %v, want %v", host, got, want)
		}
	}
}
