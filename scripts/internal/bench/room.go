package main

import (
	"fmt"
	"os"
	"regexp"
	"strconv"
	"syscall"
)

// shm is where files lie in memory.
const shm = "/dev/shm"

// temporary is the folder to work in, unless another is asked for: in memory where there
// is room, so that what the machine's disk has a processor do counts for nobody. "" is
// where temporary files go.
func temporary() string {
	var there syscall.Statfs_t
	if os.Getenv("TMPDIR") != "" || syscall.Statfs(shm, &there) != nil {
		return ""
	}
	text, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return ""
	}
	available, err := memAvailable(text)
	if err != nil || !roomy(there.Bavail*uint64(there.Bsize), available) {
		return ""
	}
	return shm
}

// roomy reports whether what a run makes, up to 5 GB, leaves memory to the programs that
// are measured. What a file system in memory calls free is its limit less what lies in it,
// whoever else uses the memory. Both in bytes.
func roomy(free, available uint64) bool {
	const room = 8 << 30
	return min(free, available) > room
}

var availableLine = regexp.MustCompile(`(?m)^MemAvailable:\s+(\d+) kB$`)

// memAvailable finds in /proc/meminfo how many bytes can be had without swapping.
func memAvailable(meminfo []byte) (uint64, error) {
	found := availableLine.FindSubmatch(meminfo)
	if found == nil {
		return 0, fmt.Errorf("/proc/meminfo tells no MemAvailable")
	}
	kib, err := strconv.ParseUint(string(found[1]), 10, 64)
	return kib << 10, err
}
