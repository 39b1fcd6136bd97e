package api

import (
	"sync"

	"imago/pkg/postgres"
	"imago/pkg/problem"
)

// maxStreams is how many streams a session has open at once: each looks at the database
// again and again, or reads two snapshots.
const maxStreams = 8

// streams counts the streams of each session. Its zero value is ready.
type streams struct {
	mu   sync.Mutex
	open map[postgres.Proof]int
}

// enter takes a place; leave gives it back.
func (s *streams) enter(p postgres.Proof) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open == nil {
		s.open = map[postgres.Proof]int{}
	}
	if s.open[p] == maxStreams {
		return problem.New(problem.OverLimit, "this session has %d streams open", maxStreams).WithHint("end one of them")
	}
	s.open[p]++
	return nil
}

func (s *streams) leave(p postgres.Proof) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open[p]--; s.open[p] == 0 {
		delete(s.open, p)
	}
}
