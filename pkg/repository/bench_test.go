package repository_test

import (
	"fmt"
	"syscall"
	"testing"

	"github.com/klauspost/compress/zstd"

	"imago/pkg/blob/mem"
	"imago/pkg/repository"
	"imago/pkg/resource"
)

// users are of the size and kind that a directory holds.
func users(n int) (out []resource.Resource, size int64) {
	for i := range n {
		r := user(i)
		out = append(out, r)
		size += int64(len(r.Body))
	}
	return out, size
}

// links are small records, of which a directory has the most.
func links(groups, members int) (out []resource.Resource, size int64) {
	for g := range groups {
		for u := range members {
			r := res("group_member", fmt.Sprintf("00g%017d", g), fmt.Sprintf("00u%017d", u*37), `{}`)
			out, size = append(out, r), size+int64(len(r.ID)+len(r.Parent)+len(r.Body))
		}
	}
	return out, size
}

// directory is 200 MB, a tenth of it in 220,000 links.
func directory() (out []resource.Resource, size int64) {
	out, size = users(300_000)
	l, more := links(550, 400)
	return append(out, l...), size + more
}

func BenchmarkAddCommit(b *testing.B) {
	for name, content := range map[string]func() ([]resource.Resource, int64){
		"Users":     func() ([]resource.Resource, int64) { return users(20_000) },
		"Links":     func() ([]resource.Resource, int64) { return links(500, 400) },
		"Directory": directory,
		"Shuffled": func() ([]resource.Resource, int64) {
			all, size := directory()
			return shuffled(all, 7), size
		},
	} {
		b.Run(name, func(b *testing.B) {
			all, size := content()
			k := keyring(b, alice)
			b.SetBytes(size)
			b.ReportAllocs()
			spent := processor(b)
			for b.Loop() {
				d := begin(b, repo(b, mem.New(mem.Options{}), k, conn, repository.Options{}))
				addAll(b, d, all)
				commit(b, d)
			}
			b.ReportMetric(spent()/float64(b.N), "cpu-s/op")
		})
	}
}

// pages are a directory as it comes from the provider: bytes without pointers, of
// which each body is cut just before it is used.
type pages struct {
	text []byte
	keys []resource.Key
	ends []int
}

func newPages() (p pages) {
	all, _ := directory()
	for _, r := range all {
		p.text = append(p.text, r.Body...)
		p.keys, p.ends = append(p.keys, r.Key), append(p.ends, len(p.text))
	}
	return p
}

// each gives the bodies in canonical form.
func (p pages) each(b *testing.B, do func(key resource.Key, body []byte)) {
	var c resource.Canonicaliser
	var body []byte
	from := 0
	for i, end := range p.ends {
		var err error
		if body, err = c.Append(body[:0], p.text[from:end]); err != nil {
			b.Fatal(err)
		}
		do(p.keys[i], body)
		from = end
	}
}

// BenchmarkSweep compares what a sweep does to 200 MB, once they are downloaded,
// with what no writer can do without: to bring them into canonical form, to
// compress them, and to seal what is left.
func BenchmarkSweep(b *testing.B) {
	p, k := newPages(), keyring(b, alice)
	enc, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(128<<10), zstd.WithEncoderCRC(false))
	if err != nil {
		b.Fatal(err)
	}
	for name, pass := range map[string]func(){
		"Whole": func() {
			d := begin(b, repo(b, mem.New(mem.Options{}), k, conn, repository.Options{}))
			p.each(b, func(key resource.Key, body []byte) {
				if err := d.Add(b.Context(), resource.Resource{Key: key, Body: body}); err != nil {
					b.Fatal(err)
				}
			})
			commit(b, d)
		},
		"Floor": func() {
			var chunk, packed []byte
			p.each(b, func(key resource.Key, body []byte) {
				chunk = append(append(append(chunk, key.Parent...), key.ID...), body...)
				if len(chunk) < 128<<10 {
					return
				}
				packed = enc.EncodeAll(chunk, packed[:0])
				if _, err := k.SealObject("bench", "bench", packed); err != nil {
					b.Fatal(err)
				}
				chunk = chunk[:0]
			})
		},
	} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(p.text)))
			spent := processor(b)
			for b.Loop() {
				pass()
			}
			b.ReportMetric(spent()/float64(b.N), "cpu-s/op")
		})
	}
}

// processor gives the seconds of processor time that were spent since, of all
// threads: on a busy machine they say more than the clock.
func processor(b testing.TB) func() float64 {
	seconds := func() float64 {
		var u syscall.Rusage
		if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
			b.Fatal(err)
		}
		return float64(u.Utime.Nano()+u.Stime.Nano()) / 1e9
	}
	start := seconds()
	return func() float64 { return seconds() - start }
}

func BenchmarkWalk(b *testing.B) {
	for name, order := range map[string]func([]resource.Resource) []resource.Resource{
		"InOrder":  func(in []resource.Resource) []resource.Resource { return in },
		"Shuffled": func(in []resource.Resource) []resource.Resource { return shuffled(in, 7) },
	} {
		b.Run(name, func(b *testing.B) {
			all, size := users(40000)
			s := take(b, repo(b, mem.New(mem.Options{}), keyring(b, alice), conn, repository.Options{}), order(all))
			b.SetBytes(size)
			b.ReportAllocs()
			for b.Loop() {
				n := 0
				for _, err := range s.Walk(b.Context(), "user") {
					if err != nil {
						b.Fatal(err)
					}
					n++
				}
				if n != len(all) {
					b.Fatal(n)
				}
			}
		})
	}
}

func BenchmarkGet(b *testing.B) {
	all, _ := users(20000)
	s := take(b, repo(b, mem.New(mem.Options{}), keyring(b, alice), conn, repository.Options{}), all)
	for b.Loop() {
		if _, err := s.Get(b.Context(), all[777].Key); err != nil {
			b.Fatal(err)
		}
		if _, err := s.Get(b.Context(), all[15777].Key); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkCheck reads all data of a directory: a few large records and many small ones.
func BenchmarkCheck(b *testing.B) {
	all, size := users(40_000)
	l, more := links(500, 400)
	r := repo(b, mem.New(mem.Options{}), keyring(b, alice), conn, repository.Options{})
	take(b, r, append(all, l...))
	b.SetBytes(size + more)
	b.ReportAllocs()
	spent := processor(b)
	for b.Loop() {
		if report, err := r.Check(b.Context(), repository.CheckOptions{Data: true}); err != nil || len(report.Damage) > 0 {
			b.Fatal(report, err)
		}
	}
	b.ReportMetric(spent()/float64(b.N), "cpu-s/op")
}
