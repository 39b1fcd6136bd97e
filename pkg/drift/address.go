package drift

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// span is a run of addresses, both ends inclusive.
type span struct{ from, to netip.Addr }

// addresses are the spans of a zone; merged ones are sorted and apart.
type addresses []span

// parseSpan reads 10.0.0.0/8, 10.0.0.1-10.0.0.9 or 10.0.0.1.
func parseSpan(s string) (span, error) {
	if from, to, ok := strings.Cut(s, "-"); ok {
		a, err := netip.ParseAddr(strings.TrimSpace(from))
		if err != nil {
			return span{}, err
		}
		b, err := netip.ParseAddr(strings.TrimSpace(to))
		if err != nil || b.Less(a) || a.Is4() != b.Is4() {
			return span{}, fmt.Errorf("%q is no range of addresses", s)
		}
		return span{a, b}, nil
	}
	if !strings.Contains(s, "/") {
		a, err := netip.ParseAddr(s)
		return span{a, a}, err
	}
	p, err := netip.ParsePrefix(s)
	if err != nil {
		return span{}, err
	}
	return span{p.Masked().Addr(), last(p)}, nil
}

// last is the greatest address of a prefix.
func last(p netip.Prefix) netip.Addr {
	b := p.Masked().Addr().AsSlice()
	for i := p.Bits(); i < len(b)*8; i++ {
		b[i/8] |= 1 << (7 - i%8)
	}
	out, _ := netip.AddrFromSlice(b)
	return out
}

// merged puts spans together that overlap or touch.
func (a addresses) merged() addresses {
	sorted := slices.Clone(a)
	slices.SortFunc(sorted, func(x, y span) int { return x.from.Compare(y.from) })
	var out addresses
	for _, s := range sorted {
		if n := len(out); n > 0 && s.from.Is4() == out[n-1].to.Is4() && !out[n-1].to.Less(s.from) || len(out) > 0 && out[len(out)-1].to.Next() == s.from {
			if out[len(out)-1].to.Less(s.to) {
				out[len(out)-1].to = s.to
			}
			continue
		}
		out = append(out, s)
	}
	return out
}

// covers reports whether every address of the other is one of these; both merged.
func (a addresses) covers(other addresses) bool {
	return !slices.ContainsFunc(other, func(o span) bool {
		return !slices.ContainsFunc(a, func(s span) bool {
			return s.from.Is4() == o.from.Is4() && !o.from.Less(s.from) && !s.to.Less(o.to)
		})
	})
}
