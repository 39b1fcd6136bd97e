package api

import (
	"cmp"
	"strconv"
	"sync"

	"imago/services/oktasim/internal/limit"
)

// Counts says how many requests an org has had. It is safe for concurrent use.
type Counts struct {
	mu     sync.Mutex
	tables Tables
}

// Tables are the counts by what they are counted by.
type Tables struct {
	Total     int            `json:"total"`
	Buckets   map[string]int `json:"buckets"`
	Templates map[string]int `json:"templates"`
	Clients   map[string]int `json:"clients"`
	Statuses  map[string]int `json:"statuses"`
}

// NewCounts makes empty counts.
func NewCounts() *Counts {
	c := &Counts{}
	c.Reset()
	return c
}

// Reset begins anew.
func (c *Counts) Reset() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.tables = Tables{Buckets: map[string]int{}, Templates: map[string]int{}, Clients: map[string]int{}, Statuses: map[string]int{}}
}

// Tables copies the counts.
func (c *Counts) Tables() Tables {
	c.mu.Lock()
	defer c.mu.Unlock()
	t := c.tables
	t.Buckets, t.Templates = copied(t.Buckets), copied(t.Templates)
	t.Clients, t.Statuses = copied(t.Clients), copied(t.Statuses)
	return t
}

func copied(m map[string]int) map[string]int {
	out := make(map[string]int, len(m))
	for k, v := range m {
		out[k] = v
	}
	return out
}

func (c *Counts) add(x *call) {
	template, client := cmp.Or(x.template(), "unknown"), "none"
	if x.principal != nil {
		client = x.principal.party.AlternateID
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.tables.Total++
	c.tables.Buckets[limit.Bucket(x.r.Method, template)]++
	c.tables.Templates[x.r.Method+" "+template]++
	c.tables.Clients[client]++
	c.tables.Statuses[strconv.Itoa(x.status)]++
}
