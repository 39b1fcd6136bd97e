package bigorg

import (
	"strconv"
	"strings"
	"time"
)

// person is what the bodies of a user and of the user's assignments tell.
type person struct {
	first, last, mail, title, department, status string
	city, manager, phone                         int
	created, updated                             time.Time
}

func (o *Org) person(user int) person {
	source := o.source(drawPerson, user, 0)
	below := func(n int) int { return int(source.Uint64() % uint64(n)) }
	p := person{
		first: firstNames[below(len(firstNames))], last: lastNames[below(len(lastNames))],
		title: titles[below(len(titles))], department: departments[below(len(departments))],
		city: below(len(cities)), manager: below(1 + user/4), phone: 2_000_000_000 + below(7_000_000_000),
		status: "ACTIVE", created: created(user, o.size.Users),
	}
	p.mail = strings.ToLower(p.first) + "." + strings.ToLower(p.last) + strconv.Itoa(user) + "@acme.example"
	p.updated = seconds(p.created, source.Uint64(), uint64(firstDay.Sub(p.created)/time.Second))
	if rare := below(40); rare < 4 {
		p.status = [...]string{"DEPROVISIONED", "SUSPENDED", "PROVISIONED", "PASSWORD_EXPIRED"}[rare]
	}
	return p
}

// change makes of a person what an edit makes of them.
func (p *person) change(r *record) {
	if r.edit == 0 {
		return
	}
	source := r.o.source(drawEdit, r.index, 1+r.edit)
	below := func(n int) int { return int(source.Uint64() % uint64(n)) }
	switch below(4) {
	case 0:
		p.title = titles[below(len(titles))] + ", acting"
	case 1:
		p.department = departments[below(len(departments))]
	case 2:
		p.manager = below(r.o.size.Users)
	case 3:
		p.phone = 2_000_000_000 + below(7_000_000_000)
	}
}
