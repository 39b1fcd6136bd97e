package bigorg

import (
	"math/rand/v2"
	"time"
)

// What is drawn for an object, so that its draws do not depend on each other. A kind
// has a salt of its own, above these.
const (
	drawPerson = iota
	drawLogin
	drawEdit
	drawFate
	drawMinute
	drawSample
	drawStatus
	drawReference
	drawWord
	drawKinds
)

// draw gives a number that depends on its place alone.
func (o *Org) draw(what uint64, a, b int) uint64 {
	source := o.source(what, a, b)
	return source.Uint64()
}

// source gives many of them.
func (o *Org) source(what uint64, a, b int) (p rand.PCG) {
	p.Seed(o.seed^what<<48, uint64(a)<<32|uint64(uint32(b)))
	return p
}

// base62 rises as its characters' codes do.
const base62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

// appendID appends an ID as Okta gives them: a prefix for the kind, a middle that rises
// with time, eight characters that do not, and the end that all IDs of a cell share.
func appendID(dst []byte, prefix string, n int, random uint64) []byte {
	dst = append(dst, prefix...)
	rising := uint64(70_000_000 + n*37)
	for power := uint64(62 * 62 * 62 * 62 * 62); power > 0; power /= 62 {
		dst = append(dst, base62[rising/power%62])
	}
	return append(appendRandom(dst, random, 8), "1d7"...)
}

func appendRandom(dst []byte, random uint64, n int) []byte {
	for range n {
		dst = append(dst, base62[random%62])
		random /= 62
	}
	return dst
}

// appendHex appends a number's last digits.
func appendHex(dst []byte, random uint64, n int) []byte {
	for range n {
		dst = append(dst, "0123456789abcdef"[random%16])
		random /= 16
	}
	return dst
}

// firstDay is when the org is read first; its objects are up to seven years older.
var firstDay = time.Date(2026, 9, 14, 2, 0, 0, 0, time.UTC)

const years = 7 * 365 * 24 * 60 * 60

// created spreads the objects of a kind over those years, in their order.
func created(index, of int) time.Time {
	return firstDay.Add(-time.Second * time.Duration(years-years*index/(of+1)))
}

// seconds draws a time within so many seconds after another one.
func seconds(after time.Time, random uint64, within uint64) time.Time {
	return after.Add(time.Second * time.Duration(random%max(1, within)))
}

func appendTime(dst []byte, t time.Time) []byte {
	return t.AppendFormat(dst, "2006-01-02T15:04:05.000Z")
}
