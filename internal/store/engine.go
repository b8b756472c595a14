package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/pressly/goose/v3"
	"github.com/uptrace/bun"
	"github.com/uptrace/bun/schema"
)

// engine is an open database of some make.
type engine struct {
	name   string // for messages; without secrets
	writes *bun.DB
	reads  *bun.DB
	// leases is for leases alone, so that a renewal waits for no other work's
	// connection. SQLite, which has one writer, uses writes.
	leases *bun.DB
	clock  string // expression for the database's time in microseconds since 1970, UTC

	// Transactions. Writes see what was committed when they got the lock of the
	// intent row; reads see one moment.
	writing, reading *sql.TxOptions

	// remote: connections to it are lost now and then, and with them the answer to
	// a commit.
	remote bool

	// patience is how long a transaction is tried again while others are in its way.
	patience time.Duration

	// there says why the database cannot be used any more that was opened; nil: the
	// server sees to that.
	there func() error

	// local: what is said to it does not leave this host.
	local bool
	// rowwise: (a, b) > (1, 2) enters an index.
	rowwise bool

	// The schema.
	dialect      goose.Dialect
	text         string // what a column of text needs for comparing byte by byte
	lock, unlock string // queries for 1, or else others have the lock; "": none is needed
	partial      bool   // each change of the schema commits by itself
}

// Limits of a server's connections.
const (
	readConnections    = 10
	writeConnections   = 4 // they wait for each other anyway
	leaseConnections   = 2 // one more than are in use, for when one hangs
	connectTimeout     = 3 * time.Second
	connectionIdle     = 30 * time.Second
	connectionLifetime = 10 * time.Minute // then a balancer in between may choose anew
	lockWait           = 3 * time.Second  // then the server refuses to wait longer, which shows that it is there
	silence            = 4 * time.Second  // then a server that sends nothing is taken to be away
	upgradeSilence     = 10 * time.Minute // the same while tables are changed or looked through
	// idleInTransaction is when the server ends a transaction whose client is
	// silent: one that vanished must not hold the lock of the intent row for ever.
	idleInTransaction = 20 * time.Second
)

// tuning is what an operator may want otherwise.
type tuning struct {
	poolSize, poolOverflow int // reading connections that are kept, and more for a moment; 0 together: no limit
	lifetime               time.Duration
	syncWait               int // Galera's wsrep_sync_wait
	retries                int // of opening, while the server is away; -1: without end
	retryInterval          time.Duration
	mustExist              bool // SQLite's file is not made
	silence                time.Duration
	log                    *slog.Logger
}

func usual() tuning {
	return tuning{poolSize: readConnections, lifetime: connectionLifetime, syncWait: 1, retryInterval: 10 * time.Second, silence: silence, log: slog.Default()}
}

// kind is a make of database.
type kind int

const (
	kindSQLite kind = iota
	kindPostgreSQL
	kindMySQL
)

// place is where a URL says that the database is.
type place struct {
	kind   kind
	path   string  // SQLite: what follows "sqlite://"
	server address // the others
}

// parseURL takes a URL apart.
func parseURL(connection string) (place, error) {
	scheme, rest, found := strings.Cut(connection, "://")
	if !found {
		return place{}, errNoURL
	}
	dialect, driver, _ := strings.Cut(scheme, "+")
	kind, known := map[string]kind{
		"sqlite": kindSQLite, "postgresql": kindPostgreSQL, "postgres": kindPostgreSQL, "mysql": kindMySQL, "mariadb": kindMySQL,
	}[dialect]
	if !known || kind == kindSQLite && driver != "" && driver != "pysqlite" {
		return place{}, fmt.Errorf("database URL: the scheme %q is not supported: it must be sqlite, postgresql, mysql or mariadb, "+
			"the latter three with any driver such as +psycopg2 or +pymysql", scheme)
	}
	if kind == kindSQLite {
		return place{kind: kind, path: rest}, nil
	}
	a, err := parseAddress(rest)
	if err != nil {
		return place{}, err
	}
	if a.dialect = dialect; kind == kindPostgreSQL {
		a.dialect = "postgresql"
	}
	return place{kind: kind, server: a}, a.needDatabase()
}

// Place says where the database of a URL is, for logs and people: the URL without its
// password and options, or "(no URL)". It reads the URL as [Open] does. Others may
// take what stands before a slash or a number sign in a password for a port, and show
// the rest.
func Place(url string) string {
	where, err := parseURL(url)
	if err != nil {
		return "(no URL)"
	}
	if where.kind == kindSQLite {
		path, _, _ := strings.Cut(where.path, "?")
		return "sqlite://" + path
	}
	a := where.server
	if a.user == "" {
		return a.String()
	}
	scheme, rest, _ := strings.Cut(a.String(), "://")
	return scheme + "://" + a.user + "@" + rest
}

func open(ctx context.Context, connection string, t tuning) (engine, error) {
	where, err := parseURL(connection)
	if err != nil {
		return engine{}, err
	}
	switch where.kind {
	case kindSQLite:
		return openSQLite(where.path, t)
	case kindMySQL:
		return openMySQL(ctx, where.server, t)
	default:
		return openPostgreSQL(where.server, t)
	}
}

// pools opens a server's database. No connection is made.
func pools(t tuning, open func() *sql.DB, dialect func() schema.Dialect) (writes, reads, leases *bun.DB) {
	pool := func(kept, most int) *bun.DB {
		db := open()
		db.SetMaxOpenConns(most)
		db.SetMaxIdleConns(kept)
		db.SetConnMaxIdleTime(connectionIdle)
		db.SetConnMaxLifetime(t.lifetime)
		return bun.NewDB(db, dialect())
	}
	return pool(writeConnections, writeConnections), pool(t.poolSize, t.poolSize+t.poolOverflow), pool(leaseConnections, leaseConnections)
}

// close ends all connections.
func (e *engine) close() error {
	return errors.Join(e.reads.Close(), e.writes.Close(), e.leases.Close())
} // SQLite's second close of writes does nothing
