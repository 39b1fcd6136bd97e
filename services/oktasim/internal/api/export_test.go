package api

// Operations lists every method and path template that the simulator offers.
func Operations() [][2]string {
	var list [][2]string
	for _, op := range operations() {
		list = append(list, [2]string{op.method, op.path})
	}
	return list
}
