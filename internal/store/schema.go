package store

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/database"
	"github.com/uptrace/bun"
)

// Schema says how far a database's tables are, and how far this program's.
type Schema struct {
	Database int64 // newest migration that was applied; 0: there are no tables yet
	Program  int64 // newest migration that this program knows
	Oldest   int64 // a program must know at least this migration to work with the database
	Pending  int   // migrations that the database lacks
}

// SchemaOf reads the version of a database and changes nothing. Url and options
// are those of [Open].
func SchemaOf(ctx context.Context, url string, options ...Option) (Schema, error) {
	s, err := closed(options)
	if err != nil {
		return Schema{}, err
	}
	s.tuning.mustExist = true
	return s.schemaOf(ctx, url)
}

func (s *Store) schemaOf(ctx context.Context, url string) (schema Schema, err error) {
	err = s.attempts(ctx, func() (err error) {
		if s.engine, err = open(ctx, url, s.tuning); err != nil {
			return hinted(err, url)
		}
		schema, _, err = schemaOf(ctx, &s.engine, latest)
		if err != nil {
			err = hinted(fmt.Errorf("open %s: %w", s.name, err), url)
		}
		return errors.Join(err, s.engine.close())
	})
	return schema, err
}

// Upgrade brings a database's schema up to date, as [Open] does, and returns how
// far it was and is.
func Upgrade(ctx context.Context, url string, options ...Option) (from, to Schema, err error) {
	s, err := closed(options)
	if err != nil {
		return from, to, err
	}
	if from, err = s.schemaOf(ctx, url); err != nil {
		return from, to, err
	}
	if err = s.attempts(ctx, func() error { return s.open(ctx, url) }); err != nil {
		return from, to, err
	}
	to, _, err = schemaOf(ctx, &s.engine, latest)
	return from, to, errors.Join(err, s.Close())
}

// TooNewError says that a database was upgraded beyond what this program can work
// with.
type TooNewError struct{ Schema }

// Error names both versions.
func (e *TooNewError) Error() string {
	return fmt.Sprintf("the database has schema %d, which needs a program that knows schema %d at least, and this one knows %d: "+
		"install the newer version of the program, or restore the backup that was made before the upgrade", e.Database, e.Oldest, e.Program)
}

// schemaOf compares the database with the migrations up to newest; done are those
// that it has. The error is a [TooNewError] if the program cannot work with it.
func schemaOf(ctx context.Context, e *engine, newest int64) (s Schema, done map[int64]bool, err error) {
	done = map[int64]bool{}
	known, err := migrationFiles(newest)
	if err != nil {
		return s, nil, err
	}
	for _, m := range known {
		s.Program = max(s.Program, m.version)
	}
	versions, err := database.NewStore(e.dialect, goose.DefaultTablename)
	if err != nil {
		return s, nil, err
	}
	there, err := e.tables(ctx, goose.DefaultTablename)
	if err != nil {
		return s, nil, err
	}
	if len(there) > 0 {
		list, err := versions.ListMigrations(ctx, e.writes.DB)
		if err != nil {
			return s, nil, err
		}
		for _, m := range list {
			if done[m.Version] = m.IsApplied; m.IsApplied {
				s.Database = max(s.Database, m.Version)
			}
		}
	}
	for _, m := range known {
		if !done[m.version] {
			s.Pending++
		}
	}
	if done[compatibility] {
		if err := e.writes.QueryRowContext(ctx, "SELECT oldest FROM schema_compatibility WHERE id = 1").Scan(&s.Oldest); err != nil {
			return s, nil, err
		}
	}
	if s.Oldest > s.Program {
		return s, nil, &TooNewError{s}
	}
	return s, done, nil
}

// tables are those of these names that the database has.
func (e *engine) tables(ctx context.Context, names ...string) (list []string, err error) {
	query := map[goose.Dialect]string{
		goose.DialectSQLite3:  "SELECT name FROM sqlite_master WHERE type = 'table' AND name IN (?)",
		goose.DialectPostgres: "SELECT tablename FROM pg_tables WHERE schemaname = current_schema() AND tablename IN (?)",
		goose.DialectMySQL:    "SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name IN (?)",
	}[e.dialect]
	err = e.writes.NewRaw(query, bun.List(names)).Scan(ctx, &list)
	return list, err
}

// own fails if the database is another program's: if it has tables of our names, or
// that of Alembic, which all services of OpenStack have, and not the one that is made
// before any of ours. An engine whose statements commit one by one would take what
// has the right name for the rest of an upgrade that was cut off.
func (e *engine) own(ctx context.Context) error {
	names, _, err := made()
	if err != nil {
		return err
	}
	there, err := e.tables(ctx, append(names, "alembic_version")...)
	if err != nil || len(there) == 0 {
		return err
	}
	// Asked for after them, it is there if another server has just made them.
	if first, err := e.tables(ctx, goose.DefaultTablename); err != nil || len(first) > 0 {
		return err
	}
	slices.Sort(there)
	return fmt.Errorf("this is the database of another program, such as Neutron's: it has %s, and L2GW never wrote to it; "+
		"the URL must name a database of its own (CREATE DATABASE l2gw …)", some(there))
}
