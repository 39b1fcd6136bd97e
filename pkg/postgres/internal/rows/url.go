package rows

import (
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"imago/pkg/outbound"
	"imago/pkg/problem"
)

// ParseURL reads a database's URL, or its form in keywords. Its text is never shown: it
// may hold a password. A server on another machine must be spoken to with TLS always,
// which Postgres leaves to luck unless sslmode says so
// (https://www.postgresql.org/docs/current/libpq-ssl.html).
func ParseURL(url string) (*pgxpool.Config, error) {
	config, err := pgxpool.ParseConfig(url)
	if err != nil || strings.TrimSpace(url) == "" { // which would be a database that nobody named
		return nil, problem.InField("DATABASE_URL", "it is not a database's URL").
			WithHint("write postgres://user@host:5432/name, or host=… user=… dbname=…")
	}
	ways := append([]*pgconn.FallbackConfig{{Host: config.ConnConfig.Host, TLSConfig: config.ConnConfig.TLSConfig}}, config.ConnConfig.Fallbacks...)
	for _, way := range ways {
		if way.TLSConfig == nil && !near(way.Host) {
			return nil, problem.InField("DATABASE_URL", "%s is on another machine, and may be spoken to without TLS", way.Host).
				WithHint("add sslmode=verify-full, and sslrootcert=FILE where the certificate is not a public authority's")
		}
	}
	return config, nil
}

// near reports whether a host is this machine: a socket's folder, or a loopback address.
func near(host string) bool {
	return strings.HasPrefix(host, "/") || strings.HasPrefix(host, "@") || outbound.IsLoopback(host)
}
