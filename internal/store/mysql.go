package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/pressly/goose/v3"
	"github.com/uptrace/bun/dialect/mysqldialect"
	"github.com/uptrace/bun/schema"
)

// mysqlDialect is bun's without the connection that it makes to look at the
// server's version: nothing here depends on it.
type mysqlDialect struct{ *mysqldialect.Dialect }

// Init implements [schema.Dialect].
func (mysqlDialect) Init(*sql.DB) {}

// openMySQL asks the server what it is, MariaDB or MySQL, as they name
// collations and settings differently, and whether it is a node of a Galera
// cluster.
func openMySQL(ctx context.Context, a address, t tuning) (engine, error) {
	config, err := mysqlConfig(&a, t)
	if err != nil {
		return engine{}, err
	}
	version, galera, err := mysqlVersion(ctx, config)
	if err != nil {
		return engine{}, fmt.Errorf("open %s: %w", a.String(), err)
	}
	if galera {
		// What another server wrote to another node is seen here at once: reads wait
		// for what the cluster had agreed on when they came.
		config.Params["wsrep_sync_wait"] = strconv.Itoa(t.syncWait)
	}
	collation := "utf8mb4_0900_bin"
	if strings.Contains(version, "MariaDB") {
		collation = "utf8mb4_nopad_bin"
		config.Params["idle_write_transaction_timeout"] = seconds(idleInTransaction)
	}
	connect, err := mysql.NewConnector(config)
	if err != nil {
		return engine{}, fmt.Errorf("database URL: %w", err)
	}
	writes, reads, leases := pools(t,
		func() *sql.DB { return sql.OpenDB(connect) },
		func() schema.Dialect { return mysqlDialect{mysqldialect.New()} },
	)
	// Locks of this kind belong to the server, not to a database, and have short names.
	const name = "CONCAT('l2gw ', MD5(DATABASE()))"
	return engine{
		name: a.String(), writes: writes, reads: reads, leases: leases, remote: true, patience: patience,
		local:   onThisHost(config.Net, hostOf(config.Addr)),
		clock:   "TIMESTAMPDIFF(MICROSECOND, '1970-01-01', UTC_TIMESTAMP(6))",
		writing: &sql.TxOptions{Isolation: sql.LevelReadCommitted},
		reading: &sql.TxOptions{Isolation: sql.LevelRepeatableRead, ReadOnly: true},
		dialect: goose.DialectMySQL,
		text:    " CHARACTER SET utf8mb4 COLLATE " + collation,
		lock:    "SELECT GET_LOCK(" + name + ", 0)",
		unlock:  "SELECT RELEASE_LOCK(" + name + ")",
		partial: true,
	}, nil
}

func mysqlVersion(ctx context.Context, config *mysql.Config) (version string, galera bool, err error) {
	connect, err := mysql.NewConnector(config)
	if err != nil {
		return "", false, err
	}
	ctx, cancel := context.WithTimeout(ctx, beginLimit)
	defer cancel()
	db := sql.OpenDB(connect)
	defer func() { err = errors.Join(err, db.Close()) }()
	if err = db.QueryRowContext(ctx, "SELECT VERSION()").Scan(&version); err != nil {
		return "", false, err
	}
	var name, on string // MySQL has no such variable
	err = db.QueryRowContext(ctx, "SHOW VARIABLES LIKE 'wsrep\\_on'").Scan(&name, &on)
	if errors.Is(err, sql.ErrNoRows) {
		err = nil
	}
	return version, on == "ON", err
}

// mysqlConfig takes the options of SQLAlchemy and PyMySQL.
func mysqlConfig(a *address, t tuning) (*mysql.Config, error) {
	c := mysql.NewConfig()
	c.Logger = &mysql.NopLogger{} // what fails is told by its error
	c.User, c.Passwd, c.DBName = a.user, a.password, a.database
	c.ClientFoundRows = true
	host, port := a.host, a.port
	if host == "" {
		host = "localhost"
	}
	if port == "" {
		port = "3306"
	}
	c.Net, c.Addr = "tcp", net.JoinHostPort(host, port)
	socket, err := a.option("unix_socket")
	if err != nil {
		return nil, err
	}
	if socket != "" {
		c.Net, c.Addr = "unix", socket
	}
	// Names are stored as UTF-8 of up to four bytes a character, whatever is asked for.
	if _, err := a.oneOf("charset", "utf8mb4", "utf8", "utf8mb3"); err != nil {
		return nil, err
	}
	if err := c.Apply(mysql.Charset("utf8mb4", "utf8mb4_bin")); err != nil {
		return nil, err
	}
	for _, ignored := range []string{"use_unicode", "binary_prefix"} {
		if _, err := a.truth(ignored, true); err != nil {
			return nil, err
		}
	}
	for name, into := range map[string]*time.Duration{
		"connect_timeout": &c.Timeout, "read_timeout": &c.ReadTimeout, "write_timeout": &c.WriteTimeout,
	} {
		byDefault := t.silence
		if name == "connect_timeout" {
			byDefault = connectTimeout
		}
		if *into, err = a.seconds(name, byDefault); err != nil {
			return nil, err
		}
	}
	secure, err := mysqlTLS(a, host, t)
	if err != nil {
		return nil, err
	}
	if secure != nil {
		c.TLS = secure.Get()
		if err := c.Apply(mysql.BeforeConnect(func(_ context.Context, one *mysql.Config) error {
			one.TLS = secure.Get()
			return nil
		})); err != nil {
			return nil, err
		}
	}
	if err := a.refuseRest("charset, ssl_ca, ssl_cert, ssl_key, ssl_check_hostname, ssl_verify_identity, ssl_verify_cert, ssl_mode, ssl_disabled, " +
		"unix_socket, connect_timeout, read_timeout, write_timeout, use_unicode and binary_prefix"); err != nil {
		return nil, err
	}
	c.Params = map[string]string{
		"sql_mode":                 "'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION'",
		"default_storage_engine":   "InnoDB",
		"innodb_lock_wait_timeout": seconds(lockWait),
		"wait_timeout":             seconds(2 * connectionIdle), // of a client that vanished
	}
	return c, nil
}

func seconds(d time.Duration) string { return fmt.Sprint(int(d / time.Second)) }
