//go:build !race

package memory_test

const spoils = false
