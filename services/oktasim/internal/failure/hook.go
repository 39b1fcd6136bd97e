package failure

import "net/http"

// HookRefused says that an inline hook answered with an error, and with which.
func HookRefused(causes ...string) *Failure {
	return plain(http.StatusBadRequest, "E0000135", "An inline hook responded with an error.", causes...)
}
