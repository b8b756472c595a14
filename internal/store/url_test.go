package store_test

import (
	"net"
	"net/url"
	"strings"
	"testing"

	"l2gw/internal/store"
	"l2gw/test/sqlserver"
)

func TestAWrongURLIsRefusedSayingWhatIsRight(t *testing.T) {
	for connection, want := range map[string]string{
		"":                            "must look like sqlite:////",
		"/var/lib/l2gw.db":            "must look like sqlite:////",
		"mysql:/u:tiger@h/l2gw":       "must look like sqlite:////",
		"sqlite://":                   "names no file",
		"sqlite:///":                  "names no file",
		"sqlite://l2gw.db":            "names no file",
		"sqlite:///:memory:":          "names no file",
		"oracle://scott:tiger@h/l2gw": `scheme "oracle" is not supported`,
		"sqlite:////nonexistent/a.db": "/nonexistent/a.db",

		"postgresql://u:tiger@h":                                              "names no database",
		"postgresql://u:tiger@h/":                                             "names no database",
		"postgresql://u:tiger@h:0/d":                                          "port must be a number",
		"postgresql://u:ti?ger@h/d":                                           "%3F",
		"mysql://u:ti%ger@h/d":                                                "%25",
		"mysql://u:tiger@[::1/d":                                              "IPv6",
		"postgresql://u:tiger@h/d?sslmode=on":                                 "sslmode=on: it must be disable, allow, prefer",
		"postgresql://u:tiger@h/d?sslmode=disable&sslmode=allow":              "2 times",
		"postgresql://u:tiger@h/d?sslrootcert=/no/ca.pem&sslmode=verify-full": "/no/ca.pem",
		"postgresql://u:tiger@h/d?options=-cfsync":                            "option options is not supported for postgresql: known are sslmode",
		"postgresql://u:tiger@h/d?connect_timeout=x":                          "number of seconds",
		"mysql+pymysql://u:tiger@h/d?charset=latin1":                          "charset=latin1: it must be utf8mb4",
		"mysql+pymysql://u:tiger@h/d?read_default_file=/etc/my.cnf":           "option read_default_file is not supported for mysql",
		"mariadb+mysqldb://u:tiger@h/d?ssl_ca=/no/ca.pem":                     "/no/ca.pem",
		"mysql://u:tiger@h/d?ssl_cert=/c.pem&ssl_key=/k.pem":                  "/c.pem",
		"mysql://u:tiger@h/d?ssl_cert=/c.pem":                                 "go together",
		"mysql://u:tiger@h/d?ssl_mode=on":                                     "ssl_mode=on: it must be DISABLED, REQUIRED",
		"mysql://u:tiger@h/d?ssl_disabled=maybe":                              "it must be true, false",
		"postgresql://u:tiger@127.0.0.1:1/d":                                  "postgresql://127.0.0.1:1/d",
		"mysql://u:tiger@127.0.0.1:1/d":                                       "mysql://127.0.0.1:1/d",
	} {
		s, err := store.Open(t.Context(), connection)
		if err == nil {
			_ = s.Close()
			t.Errorf("Open(%q) succeeded", connection)
		} else if !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "tiger") || strings.Contains(err.Error(), "ger@") {
			t.Errorf("Open(%q): %v; want %q and no secret", connection, err, want)
		}
	}
}

func TestAServerThatRefusesTheLoginIsNamedWithoutThePassword(t *testing.T) {
	onServers(t, func(t *testing.T, server *sqlserver.Server) {
		right := url.QueryEscape(sqlserver.Password)
		s, err := store.Open(t.Context(), strings.Replace(server.Database(t), right, "tiger", 1))
		if err == nil {
			_ = s.Close()
			t.Fatal("it was opened with a wrong password")
		}
		if !strings.Contains(err.Error(), server.Addr) || strings.Contains(err.Error(), "tiger") {
			t.Fatal(err)
		}
	})
}

func TestAServerIsReachedByItsUnixSocketToo(t *testing.T) {
	onServers(t, func(t *testing.T, server *sqlserver.Server) {
		u := server.Database(t)
		before, after, _ := strings.Cut(u, server.Addr)
		if strings.HasPrefix(u, "postgresql") {
			_, port, _ := net.SplitHostPort(server.Addr)
			after = strings.Replace(after, "?", "?host="+url.QueryEscape(server.Socket[:strings.LastIndex(server.Socket, "/")])+"&port="+port+"&", 1)
		} else {
			after += "&unix_socket=" + url.QueryEscape(server.Socket)
		}
		mustGateway(t, open(t, before+after), gw("a", "ps1/eth1"))
	})
}

func TestWhereADatabaseIsIsToldWithoutThePasswordWhateverItHas(t *testing.T) {
	for _, password := range []string{"tiger", "1/tiger", "1#tiger", "%31%2Ftiger", "1:tiger", "p@tiger", "[tiger", "%", "ti ger", ""} {
		for url, want := range map[string]string{
			"postgresql+psycopg2://l2gw:" + password + "@db:5432/neutron?sslmode=require": "postgresql://l2gw@db:5432/neutron",
			"mysql+pymysql://l2gw:" + password + "@[2001:db8::1]/l2gw":                    "mysql://l2gw@[2001:db8::1]/l2gw",
		} {
			if got := store.Place(url); got != want && got != "(no URL)" || got == "(no URL)" && password != "%" {
				t.Errorf("%s: %s, want %s", url, got, want)
			}
		}
	}
	for url, want := range map[string]string{
		"sqlite:////var/lib/l2gw/l2gw.db?timeout=5": "sqlite:////var/lib/l2gw/l2gw.db",
		"postgresql:///l2gw?host=/run/postgresql":   "postgresql:///l2gw",
		"l2gw:tiger@db/l2gw":                        "(no URL)",
		"mysql://l2gw:1?tiger@db/l2gw":              "(no URL)",
		"oracle://l2gw:tiger@db/l2gw":               "(no URL)",
	} {
		if got := store.Place(url); got != want {
			t.Errorf("%s: %s, want %s", url, got, want)
		}
	}
}
