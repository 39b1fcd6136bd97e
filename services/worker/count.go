package worker

import "fmt"

// count shows a number of things: "1 object", "2 objects".
func count(n int64, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}
