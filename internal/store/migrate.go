package store

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"regexp"
	"strings"
	"time"

	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/database"
)

//go:embed migrations/*.sql
var migrations embed.FS

// latest is the schema of all migrations.
const latest = math.MaxInt64

// compatibility is the migration that says which programs work with the schema.
const compatibility = 7

type migrationFile struct {
	version int64
	name    string
}

// migrationFiles are those up to a version, in order.
func migrationFiles(newest int64) ([]migrationFile, error) {
	names, err := fs.Glob(migrations, "migrations/*.sql")
	if err != nil {
		return nil, err
	}
	var files []migrationFile
	for _, name := range names {
		version, err := goose.NumericComponent(name)
		if err != nil {
			return nil, err
		}
		if version <= newest {
			files = append(files, migrationFile{version, name})
		}
	}
	return files, nil
}

// migrate applies what the database's schema lacks, of the migrations up to
// version newest; it never goes back. Where nothing is lacking it needs no right
// to change tables.
//
// A schema that is newer than this program is left as it is: each migration first
// adds only, so that the program before it still works, and a later one takes away,
// which it tells by schema_compatibility: then the error is a [TooNewError].
//
// Where a change of the schema cannot be rolled back, an upgrade that was cut off
// is run again from the start of its file, and what is there already counts as done.
func migrate(ctx context.Context, e *engine, newest int64) error {
	schema, _, err := schemaOf(ctx, e, newest)
	if err != nil || schema.Pending == 0 {
		return err
	}
	files, err := migrationFiles(newest)
	if err != nil {
		return err
	}
	var steps []*goose.Migration
	for _, file := range files {
		text, err := migrations.ReadFile(file.name)
		if err != nil {
			return err
		}
		steps = append(steps, goose.NewGoMigration(file.version, &goose.GoFunc{RunTx: func(ctx context.Context, tx *sql.Tx) error {
			for _, statement := range statements(string(text), e) {
				if _, err := tx.ExecContext(ctx, statement); err != nil && (!e.partial || !alreadyThere(err)) {
					return fmt.Errorf("%s: %w", file.name, err)
				}
			}
			return nil
		}}, nil))
	}
	p, err := goose.NewProvider(e.dialect, e.writes.DB, nil, goose.WithDisableGlobalRegistry(true), goose.WithGoMigrations(steps...))
	if err != nil {
		return err
	}
	// Not goose's own locking: it makes its table before it takes the lock.
	return e.locked(ctx, func(conn *sql.Conn) error {
		if err := e.own(ctx); err != nil {
			return err
		}
		if e.partial {
			if err := mendVersions(ctx, e, conn); err != nil {
				return err
			}
		}
		_, err := p.Up(ctx)
		return err
	})
}

// mendVersions adds the row with which goose begins its table, if an upgrade was
// cut off between the two.
func mendVersions(ctx context.Context, e *engine, conn *sql.Conn) error {
	versions, err := database.NewStore(e.dialect, goose.DefaultTablename)
	if err != nil {
		return err
	}
	done, err := versions.ListMigrations(ctx, conn)
	if err != nil || len(done) > 0 {
		return nil //nolint:nilerr // there is no table yet, or goose says what is wrong with it
	}
	return versions.Insert(ctx, conn, database.InsertRequest{Version: 0})
}

// upgradePoll is how often a server looks whether another has done the upgrade.
const upgradePoll = 50 * time.Millisecond

// locked runs f while no other server does, on engines that have such locks. The
// lock is the session's: it ends with the connection.
func (e *engine) locked(ctx context.Context, f func(*sql.Conn) error) (err error) {
	if e.lock == "" {
		return f(nil)
	}
	conn, err := e.writes.DB.Conn(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	for {
		var taken sql.NullInt64
		if err := conn.QueryRowContext(ctx, e.lock).Scan(&taken); err != nil {
			return fmt.Errorf("lock for the upgrade: %w", err)
		}
		if taken.Int64 == 1 {
			break
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("another server holds the lock for the upgrade: %w", ctx.Err())
		case <-time.After(upgradePoll):
		}
	}
	defer func() {
		var released sql.NullInt64
		err = errors.Join(err, conn.QueryRowContext(context.WithoutCancel(ctx), e.unlock).Scan(&released))
	}()
	return f(conn)
}

var (
	comments    = regexp.MustCompile(`(?m)--.*$`)
	dropIndex   = regexp.MustCompile(`^(DROP INDEX \w+) ON \w+$`)
	textColumns = regexp.MustCompile(`\b(VARCHAR\(\d+\)|TEXT)`)
)

// statements returns the statements of a migration with its columns of text made
// such that they compare byte by byte, as SQLite's do. A semicolon ends a
// statement wherever it stands, and two dashes begin a comment. An index is
// dropped as MariaDB says it, with its table, which others do not take.
func statements(migration string, e *engine) []string {
	var list []string
	for statement := range strings.SplitSeq(comments.ReplaceAllString(migration, ""), ";") {
		if statement = strings.TrimSpace(statement); statement != "" {
			if e.dialect != goose.DialectMySQL {
				statement = dropIndex.ReplaceAllString(statement, "$1")
			}
			list = append(list, textColumns.ReplaceAllString(statement, "${1}"+strings.ReplaceAll(e.text, "$", "$$")))
		}
	}
	return list
}
