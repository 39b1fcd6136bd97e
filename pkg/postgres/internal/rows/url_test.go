package rows

import (
	"strings"
	"testing"

	"imago/pkg/problem"
)

func TestURLsThatAreNotSafeAreRefused(t *testing.T) {
	t.Parallel()
	for url, ok := range map[string]bool{
		"postgres:///imago?host=/run/postgresql":                      true,
		"postgres://u@127.0.0.1:5432/imago":                           true,
		"postgres://u@[::1]:5432/imago?sslmode=disable":               true,
		"host=localhost user=u dbname=imago":                          true,
		"postgres://u@db.example.com/imago?sslmode=verify-full":       true,
		"postgres://u@db.example.com/imago?sslmode=require":           true,
		"postgres://u:hunter2@db.example.com/imago":                   false, // prefer: without, where the server has none
		"postgres://u:hunter2@db.example.com/imago?sslmode=disable":   false,
		"postgres://u:hunter2@10.0.0.7/imago?sslmode=allow":           false,
		"host=/run/postgresql,db.example.com user=u password=hunter2": false, // the second is tried when the first is away
		"mysql://u:hunter2@h/d":                                       false,
		"":                                                            false,
		" \n":                                                         false,
	} {
		_, err := ParseURL(url)
		if (err == nil) != ok {
			t.Errorf("%s: %v", url, err)
		}
		if err == nil {
			continue
		}
		if p := problem.Of(err); p == nil || p.Field != "DATABASE_URL" || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v", url, err)
		}
	}
}
