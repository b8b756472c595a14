package store

import (
	"context"
	"database/sql"
	"embed"
	"fmt"
	"io/fs"
	"regexp"
	"strings"

	"github.com/pressly/goose/v3"
)

//go:embed migrations/*.sql
var migrations embed.FS

// migrate applies what the database's schema lacks; it never goes back. A schema
// that is newer than this program is left as it is: each migration first adds
// only, so that the program before it still works, and a later one takes away.
//
// Where a change of the schema cannot be rolled back, an upgrade that was cut off
// is run again from the start of its file, and what is there already counts as done.
func migrate(ctx context.Context, e *engine) error {
	files, err := fs.Glob(migrations, "migrations/*.sql")
	if err != nil {
		return err
	}
	steps := make([]*goose.Migration, len(files))
	for i, name := range files {
		version, err := goose.NumericComponent(name)
		if err != nil {
			return err
		}
		text, err := migrations.ReadFile(name)
		if err != nil {
			return err
		}
		steps[i] = goose.NewGoMigration(version, &goose.GoFunc{RunTx: func(ctx context.Context, tx *sql.Tx) error {
			for _, statement := range statements(string(text), e.text) {
				if _, err := tx.ExecContext(ctx, statement); err != nil && (!e.partial || !alreadyThere(err)) {
					return fmt.Errorf("%s: %w", name, err)
				}
			}
			return nil
		}}, nil)
	}
	options := []goose.ProviderOption{goose.WithDisableGlobalRegistry(true), goose.WithGoMigrations(steps...)}
	if e.upgrade != nil {
		options = append(options, goose.WithSessionLocker(e.upgrade))
	}
	p, err := goose.NewProvider(e.dialect, e.writes.DB, nil, options...)
	if err != nil {
		return err
	}
	_, err = p.Up(ctx)
	return err
}

var (
	comments    = regexp.MustCompile(`(?m)--.*$`)
	textColumns = regexp.MustCompile(`\b(VARCHAR\(\d+\)|TEXT)`)
)

// statements returns the statements of a migration with its columns of text made
// such that they compare byte by byte, as SQLite's do. A semicolon ends a
// statement wherever it stands, and two dashes begin a comment.
func statements(migration, text string) []string {
	var list []string
	for statement := range strings.SplitSeq(comments.ReplaceAllString(migration, ""), ";") {
		if statement = strings.TrimSpace(statement); statement != "" {
			list = append(list, textColumns.ReplaceAllString(statement, "${1}"+strings.ReplaceAll(text, "$", "$$")))
		}
	}
	return list
}
