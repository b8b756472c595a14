package store

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"os"
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
// collations and settings differently.
func openMySQL(ctx context.Context, a address) (engine, error) {
	config, err := mysqlConfig(&a)
	if err != nil {
		return engine{}, err
	}
	version, err := mysqlVersion(ctx, config)
	if err != nil {
		return engine{}, fmt.Errorf("open %s: %w", a.String(), err)
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
	writes, reads, leases := pools(
		func() *sql.DB { return sql.OpenDB(connect) },
		func() schema.Dialect { return mysqlDialect{mysqldialect.New()} },
	)
	// Locks of this kind belong to the server, not to a database, and have short names.
	const name = "CONCAT('l2gw ', MD5(DATABASE()))"
	return engine{
		name: a.String(), writes: writes, reads: reads, leases: leases, remote: true,
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

func mysqlVersion(ctx context.Context, config *mysql.Config) (version string, err error) {
	connect, err := mysql.NewConnector(config)
	if err != nil {
		return "", err
	}
	db := sql.OpenDB(connect)
	defer func() { err = errors.Join(err, db.Close()) }()
	err = db.QueryRowContext(ctx, "SELECT VERSION()").Scan(&version)
	return version, err
}

// mysqlConfig takes the options of SQLAlchemy and PyMySQL.
func mysqlConfig(a *address) (*mysql.Config, error) {
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
		byDefault := attemptLimit // a silent server
		if name == "connect_timeout" {
			byDefault = connectTimeout
		}
		if *into, err = a.seconds(name, byDefault); err != nil {
			return nil, err
		}
	}
	if c.TLS, err = mysqlTLS(a, host); err != nil {
		return nil, err
	}
	if err := a.refuseRest("charset, ssl_ca, ssl_cert, ssl_key, ssl_check_hostname, ssl_verify_identity, ssl_verify_cert, ssl_disabled, " +
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

// mysqlTLS: with ssl_ca the server must show a certificate of that authority in
// the host's name. Without, there is no TLS, as with PyMySQL.
func mysqlTLS(a *address, host string) (*tls.Config, error) {
	files := map[string]string{}
	for _, name := range []string{"ssl_ca", "ssl_cert", "ssl_key"} {
		v, err := a.option(name)
		if err != nil {
			return nil, err
		}
		files[name] = v
	}
	flags := map[string]bool{"ssl_check_hostname": true, "ssl_verify_identity": true, "ssl_verify_cert": true, "ssl_disabled": false}
	for name, byDefault := range flags {
		v, err := a.truth(name, byDefault)
		if err != nil {
			return nil, err
		}
		flags[name] = v
	}
	switch {
	case flags["ssl_disabled"]:
		return nil, nil
	case !flags["ssl_verify_cert"]:
		return nil, errors.New("database URL: ssl_verify_cert=false is not supported: name the authority in ssl_ca, or leave TLS away")
	case files["ssl_ca"] == "" && (files["ssl_cert"] != "" || files["ssl_key"] != ""):
		return nil, errors.New("database URL: ssl_cert and ssl_key need ssl_ca, the authority that signed the server's certificate")
	case files["ssl_ca"] == "":
		return nil, nil
	case (files["ssl_cert"] == "") != (files["ssl_key"] == ""):
		return nil, errors.New("database URL: ssl_cert and ssl_key must be given together")
	}
	pem, err := os.ReadFile(files["ssl_ca"])
	if err != nil {
		return nil, fmt.Errorf("database URL: ssl_ca: %w", err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("database URL: ssl_ca: %s has no certificate in PEM form", files["ssl_ca"])
	}
	conf := &tls.Config{RootCAs: roots, ServerName: host, MinVersion: tls.VersionTLS12}
	if files["ssl_cert"] != "" {
		pair, err := tls.LoadX509KeyPair(files["ssl_cert"], files["ssl_key"])
		if err != nil {
			return nil, fmt.Errorf("database URL: ssl_cert and ssl_key: %w", err)
		}
		conf.Certificates = []tls.Certificate{pair}
	}
	if !flags["ssl_check_hostname"] || !flags["ssl_verify_identity"] {
		conf.InsecureSkipVerify = true // only of the name; the chain is verified here:
		conf.VerifyConnection = func(state tls.ConnectionState) error {
			options := x509.VerifyOptions{Roots: roots, Intermediates: x509.NewCertPool()}
			for _, c := range state.PeerCertificates[1:] {
				options.Intermediates.AddCert(c)
			}
			_, err := state.PeerCertificates[0].Verify(options)
			return err
		}
	}
	return conf, nil
}
