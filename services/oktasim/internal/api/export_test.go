package api

// Operations lists every method and path template that the simulator offers.
func Operations() [][2]string {
	var list [][2]string
	for _, op := range operations() {
		list = append(list, [2]string{op.method, op.path})
	}
	return list
}

// Need is what an operation needs of an access token and of a role.
type Need struct{ Method, Path, Scope, Area string }

// Needs lists what every operation for admins needs.
func Needs() []Need {
	var list []Need
	for _, op := range operations() {
		if !op.open && !op.self {
			list = append(list, Need{op.method, op.path, op.scope, string(op.area)})
		}
	}
	return list
}
