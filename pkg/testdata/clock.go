package clock

import "time"

// now is what the test of the floors must find.
func now() time.Time { return time.Now() }
