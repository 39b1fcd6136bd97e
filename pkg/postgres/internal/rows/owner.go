package rows

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// AsOwner runs fn in a transaction of the database's owner, who presents no proof: for
// what an operator says by a command. url is the database's, as its owner.
func AsOwner(ctx context.Context, url string, fn func(pgx.Tx) error) (err error) {
	config, err := ParseURL(url)
	if err != nil {
		return err
	}
	conn, err := pgx.ConnectConfig(ctx, config.ConnConfig)
	if err != nil {
		return Problem(fmt.Errorf("open database: %w", err))
	}
	defer func() { err = errors.Join(err, conn.Close(ctx)) }()
	return Problem(pgx.BeginFunc(ctx, conn, fn))
}
