package repository_test

import (
	"fmt"
	"testing"

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

func BenchmarkAddCommit(b *testing.B) {
	all, size := users(20000)
	k := keyring(b, alice)
	b.SetBytes(size)
	b.ReportAllocs()
	for b.Loop() {
		d := begin(b, repo(b, mem.New(mem.Options{}), k, conn, repository.Options{}))
		addAll(b, d, all)
		commit(b, d)
	}
}

func BenchmarkAddCommitLinks(b *testing.B) {
	var all []resource.Resource
	var size int64
	for g := range 500 {
		for u := range 400 {
			r := res("group_member", fmt.Sprintf("00g%017d", g), fmt.Sprintf("00u%017d", u*37), `{}`)
			all, size = append(all, r), size+int64(len(r.ID)+len(r.Parent)+len(r.Body))
		}
	}
	k := keyring(b, alice)
	b.SetBytes(size)
	b.ReportAllocs()
	for b.Loop() {
		d := begin(b, repo(b, mem.New(mem.Options{}), k, conn, repository.Options{}))
		addAll(b, d, all)
		commit(b, d)
	}
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
