package store

import (
	"context"
	"crypto/tls"
	"database/sql"
	"errors"

	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
)

// encryption is the version of TLS that the server says a connection has, or "".
func (e *engine) encryption(ctx context.Context) (protocol string, err error) {
	var name string
	switch e.dialect {
	case goose.DialectPostgres:
		// pg_stat_ssl tells it only to the role that logged in.
		err = e.onConnection(ctx, func(c any) error {
			if connection, ok := c.(*stdlib.Conn).Conn().PgConn().Conn().(*tls.Conn); ok {
				protocol = tls.VersionName(connection.ConnectionState().Version)
			}
			return nil
		})
	case goose.DialectMySQL:
		err = e.reads.QueryRowContext(ctx, "SHOW SESSION STATUS LIKE 'Ssl_version'").Scan(&name, &protocol)
	}
	if errors.Is(err, sql.ErrNoRows) {
		err = nil
	}
	return protocol, err
}

// onConnection gives f the driver's own connection.
func (e *engine) onConnection(ctx context.Context, f func(connection any) error) (err error) {
	conn, err := e.reads.DB.Conn(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	return conn.Raw(f)
}
