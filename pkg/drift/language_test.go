package drift

import (
	"testing"
	"time"
)

func TestPeriod(t *testing.T) {
	t.Parallel()
	tests := map[string]time.Duration{
		"PT2H": 2 * time.Hour, "PT0S": 0, "P1DT12H": 36 * time.Hour, "P30D": 720 * time.Hour, "PT1M": time.Minute,
		"P1M": 720 * time.Hour, "P1Y": 8760 * time.Hour, "P2W": 336 * time.Hour, "PT1.5S": 1500 * time.Millisecond,
	}
	for text, want := range tests {
		if got, ok := period(text); !ok || got != want {
			t.Errorf("%s: got %v, %v; want %v", text, got, ok, want)
		}
	}
	for _, text := range []string{"", "P", "2H", "PT2", "PTH", "P1H", "PT1D", "P-1D", "never"} {
		if got, ok := period(text); ok {
			t.Errorf("%q: got %v, want nothing", text, got)
		}
	}
}

func TestCovers(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		was, is []string
		wider   bool
	}{
		"the same":                    {[]string{"10.0.0.0/24"}, []string{"10.0.0.0/24"}, false},
		"a shorter prefix":            {[]string{"10.0.0.0/24"}, []string{"10.0.0.0/23"}, true},
		"a longer prefix":             {[]string{"10.0.0.0/24"}, []string{"10.0.0.0/25"}, false},
		"two halves":                  {[]string{"10.0.0.0/24"}, []string{"10.0.0.0/25", "10.0.0.128/25"}, false},
		"halves together":             {[]string{"10.0.0.128/25", "10.0.0.0/25"}, []string{"10.0.0.0/24"}, false},
		"a range":                     {[]string{"10.0.0.0/24"}, []string{"10.0.0.3-10.0.0.9"}, false},
		"a range beyond":              {[]string{"10.0.0.0/24"}, []string{"10.0.0.250-10.0.1.0"}, true},
		"one address":                 {[]string{"10.0.0.1-10.0.0.3"}, []string{"10.0.0.2"}, false},
		"from nothing":                {nil, []string{"10.0.0.2"}, true},
		"to nothing":                  {[]string{"10.0.0.2"}, nil, false},
		"the other family":            {[]string{"0.0.0.0/0"}, []string{"2001:db8::/32"}, true},
		"IPv6":                        {[]string{"2001:db8::/32"}, []string{"2001:db8:1::/48"}, false},
		"unmasked":                    {[]string{"10.0.0.77/24"}, []string{"10.0.0.0/24"}, false},
		"the last address of all":     {[]string{"255.255.255.0/24", "10.0.0.0/24"}, []string{"255.255.255.255"}, false},
		"a hole that is filled again": {[]string{"10.0.0.0/26", "10.0.0.64/26", "10.0.0.192/26"}, []string{"10.0.0.0/24"}, true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := !read(t, tt.was).covers(read(t, tt.is)); got != tt.wider {
				t.Errorf("got wider %v, want %v", got, tt.wider)
			}
		})
	}
	for _, text := range []string{"", "x", "10.0.0.0/33", "10.0.0.9-10.0.0.1", "10.0.0.1-::1", "10.0.0.1-"} {
		if s, err := parseSpan(text); err == nil {
			t.Errorf("%q: got %v, want an error", text, s)
		}
	}
}

func read(t *testing.T, texts []string) addresses {
	t.Helper()
	var out addresses
	for _, text := range texts {
		s, err := parseSpan(text)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, s)
	}
	return out.merged()
}
