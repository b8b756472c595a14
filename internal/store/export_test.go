package store

import (
	"context"
	"fmt"
	"testing"
)

// CheckIntegrity lets SQLite look for damage.
func (s *Store) CheckIntegrity(ctx context.Context) error {
	var result string
	if err := s.reads.NewRaw("PRAGMA integrity_check").Scan(ctx, &result); err != nil {
		return err
	}
	if result != "ok" {
		return fmt.Errorf("integrity_check: %s", result)
	}
	broken, err := s.reads.QueryContext(ctx, "PRAGMA foreign_key_check")
	if err != nil {
		return err
	}
	defer func() { _ = broken.Close() }()
	if broken.Next() {
		return fmt.Errorf("foreign_key_check found a row without its parent")
	}
	return broken.Err()
}

// KeepLog sets how many revisions the change log keeps.
func (s *Store) KeepLog(revisions int64) { s.keepLog = revisions }

// Fill leaves SQLite hardly a page to write to.
func (s *Store) Fill(ctx context.Context, tb testing.TB) {
	tb.Helper()
	var pages int
	if err := s.writes.NewRaw("PRAGMA page_count").Scan(ctx, &pages); err != nil {
		tb.Fatal(err)
	}
	var limit int
	if err := s.writes.NewRaw(fmt.Sprintf("PRAGMA max_page_count = %d", pages+4)).Scan(ctx, &limit); err != nil {
		tb.Fatal(err)
	}
}
