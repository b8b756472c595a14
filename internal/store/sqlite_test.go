package store_test

import (
	"path/filepath"
	"strings"
	"testing"

	"l2gw/internal/store"
)

// sqliteURL names a database of the test's own.
func sqliteURL(tb testing.TB) string {
	return "sqlite:///" + filepath.Join(tb.TempDir(), "l2gw #1?.db")
}

// open opens the database and closes it at the end of the test.
func open(tb testing.TB, url string) *store.Store {
	tb.Helper()
	s, err := store.Open(tb.Context(), url)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := s.Close(); err != nil {
			tb.Error(err)
		}
	})
	return s
}

func TestSQLiteKeepsTheStoresPromises(t *testing.T) {
	testStore(t, func(tb testing.TB) *store.Store { return open(tb, sqliteURL(tb)) })
}

func TestAWrongURLIsRefusedWithAnExample(t *testing.T) {
	for url, want := range map[string]string{
		"":                            "must look like sqlite:////",
		"/var/lib/l2gw.db":            "must look like sqlite:////",
		"sqlite://":                   "names no file",
		"sqlite:///":                  "names no file",
		"sqlite://l2gw.db":            "names no file",
		"sqlite:///:memory:":          "names no file",
		"oracle://scott:tiger@h/l2gw": `scheme "oracle" is not supported`,
		"sqlite:////nonexistent/a.db": "/nonexistent/a.db",
	} {
		s, err := store.Open(t.Context(), url)
		if err == nil {
			_ = s.Close()
			t.Errorf("Open(%q) succeeded", url)
		} else if !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "tiger") {
			t.Errorf("Open(%q): %v; want %q and no secret", url, err, want)
		}
	}
}
