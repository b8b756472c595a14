package store_test

import (
	"net/url"
	"regexp"
	"strings"
	"testing"

	"l2gw"
	"l2gw/internal/store"
	"l2gw/test/sqlserver"
)

// A person who reads the error needs no manual: what it says to do is done here,
// word by word, and then it works.
func TestWhoCannotUseADatabaseIsToldWhatToDo(t *testing.T) {
	onServers(t, func(t *testing.T, server *sqlserver.Server) {
		t.Parallel()
		owner := server.Database(t)
		u, err := url.Parse(owner)
		if err != nil {
			t.Fatal(err)
		}
		postgres := strings.HasPrefix(owner, "postgresql")
		as := func(user, password, host, database string) string {
			u := *u
			u.User, u.Host, u.Path = url.UserPassword(user, password), host, database
			return u.String()
		}
		of := func(postgresql, mysql string) string {
			if postgres {
				return postgresql
			}
			return mysql
		}
		name := strings.TrimPrefix(u.Path, "/")
		stranger := "stranger_of_" + name
		account := of(`"`+stranger+`"`, "'"+stranger+"'@'%'")
		admin := func(statement string) {
			t.Helper()
			if _, err := server.Admin().ExecContext(t.Context(), statement); err != nil {
				t.Fatalf("%s: %v", statement, err)
			}
		}
		// told tries everything that opens a database and returns what the last says.
		told := func(url string, want ...string) (said string) {
			t.Helper()
			for what, open := range map[string]func() error{
				"check":   func() error { _, err := store.Check(t.Context(), url); return err },
				"version": func() error { _, err := store.SchemaOf(t.Context(), url); return err },
				"upgrade": func() error { _, _, err := store.Upgrade(t.Context(), url); return err },
				"open": func() error {
					s, err := store.Open(t.Context(), url)
					if err == nil {
						_ = s.Close()
					}
					return err
				},
			} {
				err := open()
				if err == nil {
					t.Errorf("%s: it works", what)
					continue
				}
				said = err.Error()
				for _, want := range want {
					if !strings.Contains(said, want) || strings.Contains(said, "tiger") || strings.Contains(said, "\n") {
						t.Errorf("%s: %s\nwant %s, no password and one line", what, said, want)
					}
				}
			}
			return said
		}

		told(as(stranger, "tiger", u.Host, u.Path), of("CREATE ROLE ", "CREATE USER ")+account, "%40 %2F %3F %23 %25")
		admin(of("CREATE ROLE "+account+" LOGIN PASSWORD 'tiger'", "CREATE USER "+account+" IDENTIFIED BY 'tiger'"))
		told(as(stranger, "tigers", u.Host, u.Path), of("ALTER ROLE ", "ALTER USER ")+account)
		told(as(stranger, "tiger", "127.0.0.1:1", u.Path), "connection refused", "the server must run and listen where the URL says")

		absent := "/l2gw_absent_" + name
		create := told(as("l2gw", sqlserver.Password, u.Host, absent), of(`CREATE DATABASE "l2gw_absent_`, "CREATE DATABASE `l2gw_absent_"))
		made := regexp.MustCompile(`CREATE DATABASE [^;)]*`).FindString(create)
		admin(made)
		t.Cleanup(func() {
			_, _ = server.Admin().Exec(of(`DROP DATABASE "`+absent[1:]+`" WITH (FORCE)`, "DROP DATABASE `"+absent[1:]+"`"))
		})
		if s, err := store.Open(t.Context(), as("l2gw", sqlserver.Password, u.Host, absent)); err != nil {
			t.Errorf("after %s: %v", made, err)
		} else {
			_ = s.Close()
		}

		_ = open(t, owner)
		grant := regexp.MustCompile(`GRANT [^;)]* TO [^;)]*`).FindString(told(as(stranger, "tiger", u.Host, u.Path), "GRANT "))
		if postgres { // in the database and as its owner, as it says
			if err := store.OpenAs(t.Context(), owner, 1, grant); err != nil {
				t.Fatalf("%s: %v", grant, err)
			}
		} else {
			admin("GRANT SELECT ON " + name + ".* TO " + account)
			found := findings(t, as(stranger, "tiger", u.Host, u.Path))["writing"]
			if !strings.HasPrefix(found, "wrong refused: ") || !strings.Contains(found, "GRANT SELECT, INSERT, UPDATE, DELETE ON `"+name+"`.* TO "+account) {
				t.Error(found)
			}
			admin(grant)
		}
		s, err := store.Open(t.Context(), as(stranger, "tiger", u.Host, u.Path))
		if err != nil {
			t.Fatalf("after %s: %v", grant, err)
		}
		defer func() { _ = s.Close() }()
		mustGateway(t, s, gw("a", "ps1/eth1"))

		// Taken away later, it is the database that cannot be used, and no fault of ours.
		if postgres {
			if err := store.Execute(t.Context(), owner, "REVOKE INSERT ON ALL TABLES IN SCHEMA public FROM "+account); err != nil {
				t.Fatal(err)
			}
		} else {
			admin("REVOKE INSERT ON " + name + ".* FROM " + account)
		}
		later := open(t, as(stranger, "tiger", u.Host, u.Path)) // where MariaDB looks at the rights anew
		if _, err := later.CreateGateway(t.Context(), gw("b", "ps1/eth1")); l2gw.ErrorCode(err) != l2gw.Unavailable {
			t.Errorf("without a right: %v", err)
		}
	})
}
