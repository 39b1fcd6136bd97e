package repository_test

import (
	"fmt"
	"slices"
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

// BenchmarkFloor does to the same bytes what no writer can do without: bring them
// into canonical form, compress them, and seal what is left.
func BenchmarkFloor(b *testing.B) {
	all, size := directory()
	var c resource.Canonicaliser
	enc, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(128<<10))
	if err != nil {
		b.Fatal(err)
	}
	k := keyring(b, alice)
	passes := map[string]func(chunk, packed []byte, from []resource.Resource) ([]byte, []byte, error){
		"Canonical": func(chunk, packed []byte, from []resource.Resource) (_, _ []byte, err error) {
			for _, r := range from {
				if chunk, err = c.Append(chunk, r.Body); err != nil {
					break
				}
			}
			return chunk, packed, err
		},
		"All": func(chunk, packed []byte, from []resource.Resource) (_, _ []byte, err error) {
			for _, r := range from {
				chunk = append(append(chunk, r.Parent...), r.ID...)
				if chunk, err = c.Append(chunk, r.Body); err != nil {
					return chunk, packed, err
				}
			}
			packed = enc.EncodeAll(chunk, packed)
			_, err = k.SealObject("bench", "bench", packed)
			return chunk, packed, err
		},
	}
	for name, pass := range passes {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(size)
			var chunk, packed []byte
			spent := processor(b)
			for b.Loop() {
				for part := range slices.Chunk(all, 200) {
					if chunk, packed, err = pass(chunk[:0], packed[:0], part); err != nil {
						b.Fatal(err)
					}
				}
			}
			b.ReportMetric(spent()/float64(b.N), "cpu-s/op")
		})
	}
}

// processor gives the seconds of processor time that were spent since, of all
// threads: on a busy machine they say more than the clock.
func processor(b *testing.B) func() float64 {
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
