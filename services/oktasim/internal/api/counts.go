package api

import (
	"cmp"
	"slices"
	"strconv"
	"sync"

	"imago/services/oktasim/internal/limit"
)

// Counts says how many requests an org has had. It is safe for concurrent use.
type Counts struct {
	mu     sync.Mutex
	tables Tables
	rows   map[Row]int
}

// Tables are the counts by what they are counted by.
type Tables struct {
	Total     int            `json:"total"`
	Buckets   map[string]int `json:"buckets"`
	Templates map[string]int `json:"templates"`
	Clients   map[string]int `json:"clients"`
	Statuses  map[string]int `json:"statuses"`
	// Rows are the counts by all of it at once, in order.
	Rows []Row `json:"rows"`
}

// Row counts the requests that have everything in common.
type Row struct {
	Bucket   string `json:"bucket"`
	Template string `json:"template"`
	Method   string `json:"method"`
	Status   int    `json:"status"`
	Client   string `json:"client"`
	Count    int    `json:"count"`
}

func (r Row) compare(other Row) int {
	return cmp.Or(
		cmp.Compare(r.Bucket, other.Bucket), cmp.Compare(r.Template, other.Template), cmp.Compare(r.Method, other.Method),
		cmp.Compare(r.Status, other.Status), cmp.Compare(r.Client, other.Client),
	)
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
	c.rows = map[Row]int{}
	c.tables = Tables{Buckets: map[string]int{}, Templates: map[string]int{}, Clients: map[string]int{}, Statuses: map[string]int{}}
}

// Tables copies the counts.
func (c *Counts) Tables() Tables {
	c.mu.Lock()
	defer c.mu.Unlock()
	t := c.tables
	t.Buckets, t.Templates = copied(t.Buckets), copied(t.Templates)
	t.Clients, t.Statuses = copied(t.Clients), copied(t.Statuses)
	t.Rows = make([]Row, 0, len(c.rows))
	for r, n := range c.rows {
		r.Count = n
		t.Rows = append(t.Rows, r)
	}
	slices.SortFunc(t.Rows, Row.compare)
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
	bucket := limit.Bucket(x.r.Method, template)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.rows[Row{Bucket: bucket, Template: template, Method: x.r.Method, Status: x.status, Client: client}]++
	c.tables.Total++
	c.tables.Buckets[bucket]++
	c.tables.Templates[x.r.Method+" "+template]++
	c.tables.Clients[client]++
	c.tables.Statuses[strconv.Itoa(x.status)]++
}
