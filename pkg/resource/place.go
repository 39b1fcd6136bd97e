package resource

// Place is the field that says where an object stands among its like: lower first.
const Place Path = "priority"

// PlaceOf is the place that an object claims among its like; 0 without one.
func PlaceOf(body []byte) int {
	values, err := Place.Lookup(body)
	if err != nil || len(values) == 0 {
		return 0
	}
	n := 0
	for _, b := range values[0].JSON {
		if b < '0' || b > '9' || n > 1<<20 {
			return 0
		}
		n = n*10 + int(b-'0')
	}
	return n
}
