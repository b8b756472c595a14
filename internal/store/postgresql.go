package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/uptrace/bun/dialect/pgdialect"
	"github.com/uptrace/bun/schema"

	"l2gw/internal/pki"
)

// openPostgreSQL takes libpq's options of a connection, by the names that
// psycopg2 gives them.
func openPostgreSQL(a address, t tuning) (engine, error) {
	read, err := postgresConfig(&a, t)
	if err != nil {
		return engine{}, err
	}
	config := read.Get()
	// Set here and not in the start of the session: balancers such as PgBouncer
	// refuse what they do not know there.
	session := fmt.Sprintf("SET standard_conforming_strings = on; SET lock_timeout = %d; SET idle_in_transaction_session_timeout = %d",
		lockWait.Milliseconds(), idleInTransaction.Milliseconds())
	connect := stdlib.GetConnector(
		*config,
		stdlib.OptionBeforeConnect(func(_ context.Context, one *pgx.ConnConfig) error {
			now := read.Get()
			one.TLSConfig, one.Fallbacks = now.TLSConfig, now.Fallbacks
			return nil
		}),
		stdlib.OptionAfterConnect(func(ctx context.Context, c *pgx.Conn) error {
			_, err := c.Exec(ctx, session)
			return err
		}),
	)
	writes, reads, leases := pools(t,
		func() *sql.DB { return sql.OpenDB(connect) },
		func() schema.Dialect { return pgdialect.New() },
	)
	const key = "1815242615" // "l2gw" in ASCII
	return engine{
		name: a.String(), writes: writes, reads: reads, leases: leases, remote: true, patience: patience, rowwise: true,
		local:   onThisHost("tcp", config.Host),
		clock:   "CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000000 AS BIGINT)",
		writing: &sql.TxOptions{Isolation: sql.LevelReadCommitted},
		reading: &sql.TxOptions{Isolation: sql.LevelRepeatableRead, ReadOnly: true},
		dialect: goose.DialectPostgres,
		text:    ` COLLATE "C"`,
		lock:    "SELECT CASE WHEN pg_try_advisory_lock(" + key + ") THEN 1 ELSE 0 END",
		unlock:  "SELECT CASE WHEN pg_advisory_unlock(" + key + ") THEN 1 ELSE 0 END",
	}, nil
}

// postgresConfig is read anew when the files change that the URL names for TLS.
func postgresConfig(a *address, t tuning) (*pki.Followed[*pgx.ConnConfig], error) {
	settings, err := postgresSettings(a)
	if err != nil {
		return nil, err
	}
	quote := strings.NewReplacer(`\`, `\\`, `'`, `\'`)
	var conninfo strings.Builder
	for name, value := range settings {
		if value != "" {
			fmt.Fprintf(&conninfo, "%s='%s' ", name, quote.Replace(value))
		}
	}
	files := pki.Files{
		CA:          pki.File{Option: "sslrootcert", Path: settings["sslrootcert"]},
		Certificate: pki.File{Option: "sslcert", Path: settings["sslcert"]},
		Key:         pki.File{Option: "sslkey", Path: settings["sslkey"]},
	}
	if files.CA.Path == "system" {
		files.CA.Path = ""
	}
	return pki.Follow(files.Given(), func() (*pgx.ConnConfig, error) {
		if settings["sslmode"] != "disable" {
			if _, err := files.Client(); err != nil { // which names option and file, as pgx does not
				return nil, fmt.Errorf("database URL: %w", err)
			}
		}
		config, err := pgx.ParseConfig(conninfo.String())
		if err != nil {
			// The error itself has all settings in it; what lies behind says what is wrong with one.
			if err = errors.Unwrap(err); err == nil || a.password != "" && strings.Contains(err.Error(), a.password) {
				return nil, errors.New("database URL: its options cannot be used")
			}
			return nil, fmt.Errorf("database URL: %w", err)
		}
		dial := config.DialFunc
		config.DialFunc = func(ctx context.Context, network, addr string) (net.Conn, error) {
			c, err := dial(ctx, network, addr)
			if err != nil {
				return nil, err
			}
			return &listened{Conn: c, silence: t.silence}, nil
		}
		// The statements are complete texts, each another: nothing is gained by preparing them.
		config.DefaultQueryExecMode = pgx.QueryExecModeSimpleProtocol
		return config, nil
	}, pki.Log(t.log, "the database"))
}

// postgresSettings are those of libpq that the URL comes to, by name; "" is not given.
func postgresSettings(a *address) (map[string]string, error) {
	settings := map[string]string{
		"user": a.user, "password": a.password, "host": a.host, "port": a.port, "dbname": a.database,
	}
	for _, name := range []string{"sslrootcert", "sslcert", "sslkey", "application_name"} {
		v, err := a.option(name)
		if err != nil {
			return nil, err
		}
		settings[name] = v
	}
	if settings["application_name"] == "" {
		settings["application_name"] = "l2gw"
	}
	for name, allowed := range map[string][]string{
		"sslmode":              {"disable", "allow", "prefer", "require", "verify-ca", "verify-full"},
		"target_session_attrs": {"any", "read-write", "primary"},
		"client_encoding":      {"utf8", "UTF8", "utf-8", "UTF-8"},
		"gssencmode":           {"disable", "prefer"},
	} {
		v, err := a.oneOf(name, allowed...)
		if err != nil {
			return nil, err
		}
		if strings.HasPrefix(name, "ssl") || strings.HasPrefix(name, "target") {
			settings[name] = v
		}
	}
	settings["client_encoding"] = "UTF8"
	for _, name := range []string{"host", "port"} { // a unix socket's folder, or several servers
		v, err := a.option(name)
		if err != nil {
			return nil, err
		}
		if v != "" {
			settings[name] = v
		}
	}
	timeout, err := a.seconds("connect_timeout", connectTimeout)
	if err != nil {
		return nil, err
	}
	if err := a.refuseRest("sslmode, sslrootcert, sslcert, sslkey, host, port, target_session_attrs, connect_timeout, " +
		"application_name, client_encoding and gssencmode"); err != nil {
		return nil, err
	}
	settings["connect_timeout"] = fmt.Sprint(int(timeout / time.Second))
	return settings, nil
}
