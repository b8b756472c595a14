package store

import (
	"context"
	"crypto/tls"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/uptrace/bun"
)

// Verdict is what is to be thought of a [Finding].
type Verdict string

// The verdicts.
const (
	Fine     Verdict = "ok"
	Doubtful Verdict = "warning" // it works, and an operator should know
	Wrong    Verdict = "wrong"   // it must be mended
)

// Finding is one thing that [Check] looked at.
type Finding struct {
	Subject string
	Verdict Verdict
	Text    string // what is so, and if it is not fine, what would be right
}

// Check looks whether a database is as it must be, and changes nothing. The error
// says that it cannot be reached or looked at; what is wrong with it is among the
// findings. Url and options are those of [Open].
func Check(ctx context.Context, url string, options ...Option) (findings []Finding, err error) {
	s, err := closed(options)
	if err != nil {
		return nil, err
	}
	s.tuning.mustExist, s.tuning.silence = true, upgradeSilence
	err = s.attempts(ctx, func() (err error) {
		if s.engine, err = open(ctx, url, s.tuning); err != nil {
			return hinted(err, url)
		}
		c := checker{Store: s, url: url}
		if err = c.run(ctx); err != nil {
			err = hinted(fmt.Errorf("check %s: %w", s.name, err), url)
		}
		findings = c.findings
		return errors.Join(err, s.engine.close())
	})
	return findings, err
}

type checker struct {
	*Store
	url      string
	findings []Finding
}

func (c *checker) add(subject string, verdict Verdict, format string, args ...any) {
	c.findings = append(c.findings, Finding{subject, verdict, fmt.Sprintf(format, args...)})
}

// need adds a finding that is fine or, with what would be right, wrong.
func (c *checker) need(subject string, fine bool, is, right string) {
	if fine {
		c.add(subject, Fine, "%s", is)
	} else {
		c.add(subject, Wrong, "%s; %s", is, right)
	}
}

func (c *checker) run(ctx context.Context) error {
	start := time.Now()
	soon, cancel := context.WithTimeout(ctx, beginLimit)
	defer cancel()
	if err := c.reads.PingContext(soon); err != nil {
		return err
	}
	c.add("connection", Fine, "%s answers after %v", c.name, time.Since(start).Round(time.Millisecond))
	for _, look := range []func(context.Context) error{c.server, c.transport, c.clocks} {
		if err := look(ctx); err != nil {
			return err
		}
	}
	schema, _, err := schemaOf(ctx, &c.engine, latest)
	if tooNew, ok := errors.AsType[*TooNewError](err); ok {
		c.add("schema", Wrong, "%v", tooNew)
		return nil
	}
	switch {
	case err != nil:
		return err
	case schema.Pending > 0:
		if err := c.own(ctx); err != nil {
			c.add("schema", Wrong, "%v", err)
			return nil
		}
		c.add("schema", Wrong, "version %d, and %d migrations to version %d are pending; run `l2gw db upgrade`, or start a server, which does the same",
			schema.Database, schema.Pending, schema.Program)
		return nil // there is no telling what is there
	case schema.Database > schema.Program:
		c.add("schema", Doubtful, "version %d, which a newer program made; this one, of version %d, works with it", schema.Database, schema.Program)
	default:
		c.add("schema", Fine, "version %d", schema.Database)
	}
	for _, look := range []func(context.Context) error{c.writable, c.columns, c.indexes, c.rules} {
		if err := look(ctx); err != nil {
			return err
		}
	}
	return nil
}

// one asks for one row.
func (c *checker) one(ctx context.Context, query string, into ...any) error {
	return c.reads.DB.QueryRowContext(ctx, query).Scan(into...)
}

// server looks at what the server is.
func (c *checker) server(ctx context.Context) error {
	switch c.dialect {
	case goose.DialectPostgres:
		var version, encoding string
		var number int
		if err := c.one(ctx, "SELECT current_setting('server_version'), CAST(current_setting('server_version_num') AS INTEGER), current_setting('server_encoding')",
			&version, &number, &encoding); err != nil {
			return err
		}
		c.need("server", number >= 130000, "PostgreSQL "+version, "version 13 or newer is needed")
		c.need("character set", encoding == "UTF8", encoding, "names may have any character: make the database with ENCODING 'UTF8'")
	case goose.DialectMySQL:
		var version string
		var mariaDB, recent bool
		if err := c.one(ctx, "SELECT VERSION()", &version); err != nil {
			return err
		}
		var major, minor int
		_, _ = fmt.Sscanf(version, "%d.%d", &major, &minor)
		if mariaDB = strings.Contains(version, "MariaDB"); mariaDB {
			recent = major > 10 || major == 10 && minor >= 5
		} else {
			recent, version = major >= 8, "MySQL "+version
		}
		c.need("server", recent, version, "MariaDB 10.5 or MySQL 8.0 or newer is needed")
		return c.galera(ctx)
	default:
		var version string
		if err := c.one(ctx, "SELECT sqlite_version()", &version); err != nil {
			return err
		}
		c.add("server", Fine, "SQLite %s, within this program: for one server alone", version)
	}
	return nil
}

// galera looks at a node of a cluster.
func (c *checker) galera(ctx context.Context) error {
	status := map[string]string{}
	for _, query := range []string{"SHOW VARIABLES LIKE 'wsrep\\_on'", "SHOW VARIABLES LIKE 'wsrep\\_sync\\_wait'", "SHOW STATUS LIKE 'wsrep\\_%'"} {
		if err := c.settings(ctx, query, status); err != nil {
			return err
		}
	}
	if status["wsrep_on"] != "ON" {
		return nil
	}
	is := fmt.Sprintf("Galera node, %s, %s of %s nodes", status["wsrep_local_state_comment"], status["wsrep_cluster_status"], status["wsrep_cluster_size"])
	c.need("cluster", status["wsrep_cluster_status"] == "Primary" && status["wsrep_ready"] == "ON", is, "it must be part of the primary component and ready")
	if status["wsrep_sync_wait"] == "0" {
		c.add("cluster reads", Doubtful, "wsrep_sync_wait is 0: what was written on one node may be read late on another; 1 is right if servers use different nodes")
	}
	return nil
}

// settings adds names and values that the server shows.
func (c *checker) settings(ctx context.Context, query string, into map[string]string) error {
	rows, err := c.reads.DB.QueryContext(ctx, query)
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var name, value string
		if err := rows.Scan(&name, &value); err != nil {
			return err
		}
		into[name] = value
	}
	return rows.Err()
}

// transport looks at who can listen.
func (c *checker) transport(ctx context.Context) error {
	if !c.remote {
		return nil
	}
	protocol, err := c.encryption(ctx)
	switch {
	case err != nil:
		return err
	case protocol != "":
		c.add("encryption", Fine, "%s", protocol)
	case c.local:
		c.add("encryption", Fine, "none, and none is needed on this host")
	default:
		c.add("encryption", Doubtful, "none: the password's use and all data can be seen on the network; "+
			"use sslmode=verify-full and sslrootcert (PostgreSQL) or ssl_ca (MariaDB, MySQL)")
	}
	return nil
}

// onThisHost reports whether connections to an address do not leave this host.
func onThisHost(network, host string) bool {
	ip, err := netip.ParseAddr(host)
	return network == "unix" || host == "" || host == "localhost" || strings.HasPrefix(host, "/") || err == nil && ip.IsLoopback()
}

func hostOf(address string) string {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return address
	}
	return host
}

// clocks compares ours with the database's: leases go by the latter, times of
// creation by ours.
func (c *checker) clocks(ctx context.Context) error {
	const allowed = 2 * time.Second
	before := time.Now()
	var micros int64
	if err := c.one(ctx, "SELECT "+c.clock, &micros); err != nil {
		return err
	}
	after := time.Now()
	theirs, difference := time.UnixMicro(micros), time.Duration(0)
	switch {
	case theirs.Before(before):
		difference = before.Sub(theirs)
	case theirs.After(after):
		difference = theirs.Sub(after)
	}
	text := fmt.Sprintf("the database's differs from this host's by %v", difference.Round(time.Millisecond))
	if difference > allowed {
		c.add("clock", Doubtful, "%s; keep both by NTP", text)
	} else {
		c.add("clock", Fine, "%s", text)
	}
	return nil
}

// writable does what each write begins with, and takes it back.
func (c *checker) writable(ctx context.Context) error {
	isolation := "one writer at a time"
	_, err := inTransaction(c.writes, c.writing, func(ctx context.Context, tx bun.Tx) error {
		result, err := tx.NewUpdate().Model((*intentRow)(nil)).Set("revision = revision + 1").Where("id = 1").Exec(ctx)
		if err != nil {
			return err
		}
		if n, err := result.RowsAffected(); err != nil || n != 1 {
			return errors.Join(err, fmt.Errorf("the table intent must have one row of id 1, and has %d", n))
		}
		switch c.dialect {
		case goose.DialectPostgres:
			if err := tx.Tx.QueryRowContext(ctx, "SELECT current_setting('transaction_isolation')").Scan(&isolation); err != nil {
				return err
			}
		case goose.DialectMySQL: // which shows that of a transaction to administrators alone
			isolation = strings.ToLower(c.Store.writing.Isolation.String())
		}
		return errUnchanged
	})(ctx)
	if errors.Is(err, errUnchanged) {
		c.add("writing", Fine, "allowed; isolation: %s", isolation)
	} else {
		c.add("writing", Wrong, "refused: %v", hinted(err, c.url))
	}
	return nil
}

// encryption is the version of TLS of a connection, or "".
func (e *engine) encryption(ctx context.Context) (protocol string, err error) {
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
		var name string
		err = e.reads.QueryRowContext(ctx, "SHOW SESSION STATUS LIKE 'Ssl_version'").Scan(&name, &protocol)
		if errors.Is(err, sql.ErrNoRows) {
			err = nil
		}
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
