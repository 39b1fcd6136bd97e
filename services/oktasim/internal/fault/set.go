package fault

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
)

// Set is the faults in force. It is safe for concurrent use.
type Set struct {
	mu     sync.Mutex
	last   int
	faults []*Fault
	// carried are the elements that wait to be delivered again, by the address of the page
	// that is to begin with them.
	carried map[string]json.RawMessage
}

// Add puts a fault in force. The error names every field that is wrong.
func (s *Set) Add(f Fault) error {
	if err := f.check(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last++
	f.ID, f.Seen, f.Fired = s.last, 0, 0
	f.pattern, f.dice = parsePattern(f.Path), rand.New(rand.NewPCG(f.Seed, f.Seed))
	s.faults = append(s.faults, &f)
	return nil
}

// Remove ends one fault; the error says that there is none with the id.
func (s *Set) Remove(id int) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	before := len(s.faults)
	s.faults = slices.DeleteFunc(s.faults, func(f *Fault) bool { return f.ID == id })
	if len(s.faults) == before {
		return fmt.Errorf("id: there is no fault %d", id)
	}
	return nil
}

// Clear ends all faults.
func (s *Set) Clear() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults, s.carried = nil, nil
}

// List copies the faults with their counts.
func (s *Set) List() []Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]Fault, len(s.faults))
	for i, f := range s.faults {
		out[i] = *f
	}
	return out
}

// Hit counts the request and returns the first fault that strikes it, nil if none does.
// template is the path template that serves the request, "" if none does.
func (s *Set) Hit(method, path, template string) *Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range s.faults {
		if f.Method != "" && !strings.EqualFold(f.Method, method) || !f.pattern.matches(path, template) {
			continue
		}
		if f.strikes() {
			hit := *f
			return &hit
		}
	}
	return nil
}

// Miss takes back a hit that found nothing to spoil, such as a Link header where there
// was none, so that the fault waits for the next request.
func (s *Set) Miss(hit *Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range s.faults {
		if f.ID == hit.ID {
			f.Fired--
		}
	}
}

// Carry keeps an element for the page at an address.
func (s *Set) Carry(address string, element json.RawMessage) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.carried == nil {
		s.carried = map[string]json.RawMessage{}
	}
	s.carried[address] = element
}

// Carried returns what was kept for the page at an address, once; nil is nothing.
func (s *Set) Carried(address string) json.RawMessage {
	s.mu.Lock()
	defer s.mu.Unlock()
	element := s.carried[address]
	delete(s.carried, address)
	return element
}
