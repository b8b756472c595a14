package store

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/go-sql-driver/mysql"
	"github.com/jackc/pgx/v5/pgconn"
)

// hinted is why the database of this URL cannot be used, and what a person can do
// about it, if that is known.
func hinted(err error, url string) error {
	err = inOneLine(err)
	where, wrong := parseURL(url)
	if wrong != nil {
		return err
	}
	if hint := cmp.Or(tlsHint(err), where.hint(err)); hint != "" {
		return fmt.Errorf("%w (%s)", err, hint)
	}
	return err
}

// hint says what a person can do about an error of a database server, or "".
func (p *place) hint(err error) string {
	if p.kind == kindSQLite {
		return ""
	}
	if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		return p.server.postgresHint(e.Code)
	}
	if e, ok := errors.AsType[*mysql.MySQLError](err); ok {
		return p.server.mysqlHint(e.Number)
	}
	if faultOf(err) == lost && !strings.Contains(err.Error(), "tls: ") {
		return "the server must run and listen where the URL says, and a firewall must let this host through"
	}
	return ""
}

// forURL reminds of what makes a right password a wrong one.
const forURL = "in the URL, the characters @ / ? # % of a password are %40 %2F %3F %23 %25"

// postgresHint goes by SQLSTATE.
func (a *address) postgresHint(code string) string {
	user := quoted(cmp.Or(a.user, "USER"), `"`)
	switch code {
	case "28P01": // invalid_password, also if there is no such user
		return fmt.Sprintf("the server must know this user by this password: CREATE ROLE %s LOGIN PASSWORD '…', or ALTER ROLE %[1]s PASSWORD '…'; %s", user, forURL)
	case "28000": // invalid_authorization_specification
		return fmt.Sprintf("the server must know the user, CREATE ROLE %s LOGIN PASSWORD '…', and a line of its pg_hba.conf must let it in from this host", user)
	case "3D000": // invalid_catalog_name
		return fmt.Sprintf("as an administrator: CREATE DATABASE %s OWNER %s ENCODING 'UTF8' TEMPLATE template0", quoted(a.database, `"`), user)
	case "42501": // insufficient_privilege
		return fmt.Sprintf("as the owner of the tables, in this database: GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO %s; "+
			"tables are made and changed by `l2gw db upgrade`, which needs that owner or, in an empty database, GRANT CREATE ON SCHEMA public TO %[1]s", user)
	case "25006": // read_only_sql_transaction
		return "this server is a standby: the URL must name the primary, or several hosts and target_session_attrs=read-write"
	case "53300": // too_many_connections
		return "raise max_connections of the server, or lower [database] max_pool_size"
	}
	return ""
}

// mysqlHint goes by the numbers of MySQL and MariaDB.
func (a *address) mysqlHint(number uint16) string {
	user, database := quoted(cmp.Or(a.user, "USER"), "'")+"@'%'", quoted(a.database, "`")
	switch {
	case number == 1045: // ER_ACCESS_DENIED_ERROR
		return fmt.Sprintf("the server must know this user, from this host, by this password: CREATE USER %s IDENTIFIED BY '…', or ALTER USER %[1]s IDENTIFIED BY '…'; "+
			"one that must use TLS needs ssl_ca; %s", user, forURL)
	case number == 1130: // ER_HOST_NOT_PRIVILEGED
		return fmt.Sprintf("the server knows no user that may come from this host: CREATE USER %s IDENTIFIED BY '…'", user)
	case number == 1049: // ER_BAD_DB_ERROR
		return fmt.Sprintf("as an administrator: CREATE DATABASE %s CHARACTER SET utf8mb4; GRANT ALL ON %[1]s.* TO %s", database, user)
	case number == 1044: // ER_DBACCESS_DENIED_ERROR, also if there is no such database
		return fmt.Sprintf("as an administrator: CREATE DATABASE IF NOT EXISTS %s CHARACTER SET utf8mb4; GRANT ALL ON %[1]s.* TO %s", database, user)
	case slices.Contains([]uint16{1142, 1143}, number): // ER_TABLEACCESS_DENIED_ERROR, ER_COLUMNACCESS_DENIED_ERROR
		return fmt.Sprintf("as an administrator: GRANT SELECT, INSERT, UPDATE, DELETE ON %s.* TO %s; `l2gw db upgrade` needs ALL", database, user)
	case slices.Contains([]uint16{1290, 1836}, number): // ER_OPTION_PREVENTS_STATEMENT, ER_READ_ONLY_MODE
		return "this server is read-only, such as a replica: the URL must name the primary"
	case slices.Contains([]uint16{1040, 1203, 1226}, number): // too many connections
		return "raise max_connections, or max_user_connections, of the server, or lower [database] max_pool_size"
	}
	return ""
}

// quoted is a name between quotes, as SQL wants it.
func quoted(name, quote string) string {
	return quote + strings.ReplaceAll(name, quote, quote+quote) + quote
}
