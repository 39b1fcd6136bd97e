package okta

import (
	"slices"

	"imago/pkg/memory"
	"imago/pkg/resource"
)

// sheet is the memory of one page's resources: what is found, and the bodies.
type sheet struct {
	found  []resource.Resource
	bodies []byte
}

// sheets are used again, and so is what holds their bodies: apart from rooms, in which
// whole answers are read.
var (
	sheets = make(chan *sheet, 4)
	kept   = memory.Pool{Most: 4, Least: 4 << 10, Largest: 4 << 20, Loose: 4}
)

func newSheet() *sheet {
	select {
	case s := <-sheets:
		return s
	default:
		return &sheet{}
	}
}

// room has the sheet take so many bytes of bodies, without moving those that are in it.
// Somebody may keep a few of them for long, so it is not much larger.
func (s *sheet) room(size int) {
	if cap(s.bodies)-len(s.bodies) >= size {
		return
	}
	s.bodies = kept.Get(size)
}

// done takes the sheet back, of which nothing is used any more.
func (s *sheet) done() {
	const largest = 4 << 10 // resources
	kept.Put(s.bodies)
	clear(s.found)
	if s.bodies, s.found = nil, s.found[:0]; cap(s.found) > largest {
		return
	}
	select {
	case sheets <- s:
	default:
	}
}

// resources reads a page's objects onto a sheet.
func (e *entry) resources(s *sheet, body []byte, envelope, parent string) (found []resource.Resource, err error) {
	if envelope != "" {
		if body, err = member(body, envelope); err != nil {
			return nil, err
		}
	}
	from := len(s.found)
	if e.bare {
		s.room(len(body) / 16) // if IDs take more, it grows
		err = e.links(s, body, parent)
	} else {
		s.room(len(body)) // its form is never longer than what was sent
		err = e.objects(s, body, parent)
	}
	return s.found[from:len(s.found):len(s.found)], err
}

// objects reads a list of objects.
func (e *entry) objects(s *sheet, list []byte, parent string) error {
	var canon resource.Canonicaliser
	bodies, err := canon.Elements(s.bodies, list, "id", func(form, named []byte) error {
		id, err := e.idFrom(named, form)
		s.found = append(s.found, resource.Resource{Key: resource.Key{Type: e.Type, Parent: parent, ID: id}, Body: form})
		return err
	})
	s.bodies = bodies
	return err
}

// idFrom is id, of an object whose member "id" was found already.
func (e *entry) idFrom(named, body []byte) (string, error) {
	if id, ok := (resource.Value{JSON: named}).Text(); ok && id != "" && e.fixed == "" && e.identity == "" {
		return id, nil
	}
	return e.id(body)
}

// links reads a list of whose objects nothing but the ID is kept.
func (e *entry) links(s *sheet, list []byte, parent string) error {
	return resource.Elements(list, func(element []byte) error {
		id, err := e.id(element)
		if err != nil {
			return err
		}
		from := len(s.bodies)
		s.bodies = appendBare(s.bodies, id)
		s.found = append(s.found, resource.Resource{Key: resource.Key{Type: e.Type, Parent: parent, ID: id}, Body: slices.Clip(s.bodies[from:])})
		return nil
	})
}
