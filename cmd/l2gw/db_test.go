package main

import (
	"bytes"
	"database/sql"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"l2gw/internal/cli"
)

// say runs a command line and returns what it prints and its exit code.
func say(t *testing.T, args ...string) (out, errors string, code int) {
	t.Helper()
	root := command("l2gw")
	var stdout, stderr bytes.Buffer
	root.SetOut(&stdout)
	root.SetErr(&stderr)
	code = cli.Run(t.Context(), root, args)
	return stdout.String(), stderr.String(), code
}

func TestTheDatabaseIsUpgradedAndToldOf(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "l2gw.db")
	ini := filepath.Join(dir, "server.conf")
	text := "[database]\nconnection = sqlite:///" + path + "\nmax_pool_size = 7\nmysql_sql_mode = TRADITIONAL\n[quotas]\nquota_l2_gateway = 5\n"
	if err := os.WriteFile(ini, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("L2GW_DATABASE", "")
	want := func(args []string, code int, texts ...string) {
		t.Helper()
		out, errors, got := say(t, append([]string{"db"}, args...)...)
		for _, text := range texts {
			if !strings.Contains(out+errors, text) {
				t.Errorf("%v: %q is missing in\n%s%s", args, text, out, errors)
			}
		}
		if got != code {
			t.Errorf("%v: exit code %d, want %d\n%s%s", args, got, code, out, errors)
		}
	}
	byFile := []string{"--config-file", ini}
	want(append([]string{"version"}, byFile...), 1, "no such file", "`l2gw db upgrade` makes it")
	want(append([]string{"upgrade"}, byFile...), 0, "The tables are made; the schema is of version 9.")
	want(append([]string{"upgrade"}, byFile...), 0, "version 9 already; nothing to do")
	want(append([]string{"version"}, byFile...), 0, "database  9\nprogram   9")
	want([]string{"check", "--database", "sqlite:///" + path}, 0, "ok  schema", "0 gateways, 0 connections and 0 bindings")

	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	do := func(statement string) {
		t.Helper()
		if _, err := db.ExecContext(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	do("DROP INDEX connections_mapping")
	t.Setenv("L2GW_DATABASE", "sqlite:///"+path)
	want([]string{"check"}, 3, "wrong  indexes", "connections_mapping on connections")
	do("DELETE FROM goose_db_version WHERE version_id = 9")
	want([]string{"version"}, 3, "database  8", "pending   1: run `l2gw db upgrade`")
	do("INSERT INTO goose_db_version (version_id, is_applied) VALUES (9, 1), (10, 1)")
	want([]string{"version"}, 0, "database  10", "newer than this program, which works with it")
	do("UPDATE schema_compatibility SET oldest = 10")
	for _, command := range []string{"version", "upgrade"} {
		want([]string{command}, 1, "needs a program that knows schema 10 at least, and this one knows 9")
	}
	want([]string{"check"}, 3, "wrong  schema")
}

func TestADatabaseThatCannotBeUsedIsNamedWithoutThePassword(t *testing.T) {
	t.Setenv("L2GW_DATABASE", "")
	for _, test := range [][]string{
		{"--database is missing", "db", "check"},
		{"postgresql://127.0.0.1:1/x", "db", "check", "--database", "postgresql://u:tiger@127.0.0.1:1/x"},
		{"mysql://127.0.0.1:1/x", "db", "version", "--database", "mysql+pymysql://u:tiger@127.0.0.1:1/x"},
		{"sslmode=on", "db", "upgrade", "--database", "postgresql://u:tiger@127.0.0.1:1/x", "--database-connection-parameters", "sslmode=on"},
		{"wsrep_sync_wait 99", "db", "upgrade", "--database", "mysql://u:tiger@127.0.0.1:1/x", "--database-wsrep-sync-wait", "99"},
	} {
		out, errors, code := say(t, test[1:]...)
		if code != 1 || !strings.Contains(errors, test[0]) || strings.Contains(out+errors, "tiger") {
			t.Errorf("%v: code %d\n%s%s", test[1:], code, out, errors)
		}
	}
}
