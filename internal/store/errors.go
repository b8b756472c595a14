package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"

	"l2gw"

	"github.com/go-sql-driver/mysql"
	"github.com/jackc/pgx/v5/pgconn"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// errUnchanged ends a write that found nothing to do; it is rolled back, so that
// the revision stays as it was.
var errUnchanged = errors.New("nothing to change")

// errDone ends a write that found itself done already: the commit whose answer
// was lost had arrived.
var errDone = errors.New("this write was committed before")

// errGone ends an attempt that another's row was in the way of, which is there no
// more.
var errGone = errors.New("what was in the way is gone")

// errNoConnection ends the waiting for a connection.
var errNoConnection = fmt.Errorf("no connection to the database for %v: %w", beginLimit, context.DeadlineExceeded)

// errMoved ends what would use a file of SQLite's that is not where it was opened.
var errMoved = errors.New("the file of the database was removed or replaced while it was in use; put it back, or restart to use what is there now")

// fault is what an error of the database means for the transaction.
type fault int

const (
	otherFault fault = iota // of the program or the request; not tried again
	// busy: refused only because of others that ran at the same time.
	busy
	// duplicate: another transaction put a row where this one wanted to; tried
	// again, the checks see it and say which.
	duplicate
	// lost: the connection broke, or the server starts, stops or is away.
	lost
	// down: the server is there and cannot do its work, such as with a full disk.
	down
)

func faultOf(err error) fault {
	if errors.Is(err, errGone) {
		return duplicate
	}
	if e, ok := errors.AsType[*sqlite.Error](err); ok {
		return sqliteFault(e.Code() & 0xff) // the low byte is the primary code
	}
	if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		return postgresFault(e.Code)
	}
	if e, ok := errors.AsType[*mysql.MySQLError](err); ok {
		return mysqlFault(e.Number)
	}
	if errors.Is(err, errMoved) {
		return down
	}
	for _, broken := range []error{
		sql.ErrConnDone, driver.ErrBadConn, io.EOF, io.ErrUnexpectedEOF, net.ErrClosed, pgconn.ErrConnClosed,
		mysql.ErrInvalidConn, mysql.ErrMalformPkt, mysql.ErrPktSync, mysql.ErrPktSyncMul, mysql.ErrBusyBuffer, mysql.ErrNoTLS,
		context.DeadlineExceeded,
	} {
		if errors.Is(err, broken) {
			return lost
		}
	}
	if _, ok := errors.AsType[net.Error](err); ok {
		return lost
	}
	if _, ok := errors.AsType[*pgconn.ConnectError](err); ok || pgconn.SafeToRetry(err) {
		return lost
	}
	return otherFault
}

func sqliteFault(code int) fault {
	switch code {
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED:
		return busy
	case sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN,
		sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_PERM, sqlite3.SQLITE_NOLFS:
		return down
	}
	return otherFault
}

// postgresFault goes by SQLSTATE (PostgreSQL's Appendix A).
func postgresFault(code string) fault {
	switch code {
	case "42501": // insufficient_privilege, such as of tables that an upgrade has made
		return down
	case "40001", "40P01", "55P03": // serialization_failure, deadlock_detected, lock_not_available
		return busy
	case "23505": // unique_violation
		return duplicate
	case "25006", // read_only_sql_transaction: this server is a standby by now
		"25P03", // idle_in_transaction_session_timeout
		"40003", // statement_completion_unknown
		"53300": // too_many_connections
		return lost
	}
	for class, f := range map[string]fault{
		"08": lost, // connection exceptions
		"57": lost, // operator intervention: shutdowns, starting up, cancelled
		"28": down, // authorization
		"3D": down, // no such database
		"53": down, // insufficient resources
		"58": down, // system errors
		"XX": down, // internal error, data corrupted
	} {
		if strings.HasPrefix(code, class) {
			return f
		}
	}
	return otherFault
}

// mysqlFault goes by MySQL's and MariaDB's server error numbers.
func mysqlFault(number uint16) fault {
	switch {
	case slices.Contains([]uint16{
		1213, // ER_LOCK_DEADLOCK; in Galera also a commit that another node's came before
		1205, // ER_LOCK_WAIT_TIMEOUT
		1020, // ER_CHECKREAD: the record has changed since it was read
		1412, // ER_TABLE_DEF_CHANGED
	}, number):
		return busy
	case number == 1062 || number == 1586: // ER_DUP_ENTRY, ER_DUP_ENTRY_WITH_KEY_NAME
		return duplicate
	case slices.Contains([]uint16{
		1047,             // ER_UNKNOWN_COM_ERROR: this node of Galera is not (yet) part of the cluster
		1040, 1203, 1226, // too many connections
		1042, 1043, 1053, 1079, // cannot connect, handshake, shutdown
		1158, 1159, 1160, 1161, 1184, // the network
		1290, 1836, // this server is read-only by now
		1180,       // ER_ERROR_DURING_COMMIT
		1317, 1927, // interrupted, connection killed
		4031, // ER_CLIENT_INTERACTION_TIMEOUT
	}, number):
		return lost
	case slices.Contains([]uint16{
		1044, 1045, 1049, 1129, 1130, 1142, 1143, // access, no such database, host refused
		1021, 1026, 1028, 1030, 1034, 1035, 1037, 1038, 1041, 1114, 1194, 1195, // disk, memory, damage
	}, number):
		return down
	}
	return otherFault
}

// alreadyThere reports whether a statement of a migration failed because it was
// done before: ER_TABLE_EXISTS_ERROR, ER_DUP_FIELDNAME, ER_DUP_KEYNAME,
// ER_DUP_ENTRY, ER_BAD_TABLE_ERROR, ER_CANT_DROP_FIELD_OR_KEY.
func alreadyThere(err error) bool {
	e, ok := errors.AsType[*mysql.MySQLError](err)
	return ok && slices.Contains([]uint16{1050, 1060, 1061, 1062, 1051, 1091}, e.Number)
}

// shown turns an error of the database into one that says to try again later, if that is so.
func (s *Store) shown(ctx context.Context, err error) error {
	if err == nil || ctx.Err() != nil {
		return err
	}
	if _, ok := errors.AsType[*l2gw.Error](err); ok {
		return err
	}
	if f := faultOf(err); s.closed.Load() || f == busy || f == lost || f == down {
		return l2gw.ServiceUnavailable("The database", inOneLine(err))
	}
	return err
}
