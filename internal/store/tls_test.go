package store_test

import (
	"bytes"
	"crypto/rand"
	"io"
	"log/slog"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"l2gw/internal/certs"
	"l2gw/internal/store"
	"l2gw/test/sqlserver"
)

// tlsURL is a database's URL with TLS: by the options of PostgreSQL or of MariaDB.
func tlsURL(database, host, postgres, mysql string) string {
	u, err := url.Parse(database)
	if err != nil {
		panic(err)
	}
	options := mysql
	if strings.HasPrefix(database, "postgresql") {
		options = postgres
	}
	u.Host, u.RawQuery = host, options
	return u.String()
}

func TestAServersCertificateIsCheckedAsTheURLAsks(t *testing.T) {
	onServers(t, func(t *testing.T, server *sqlserver.Server) {
		t.Parallel()
		database := server.Database(t)
		other, err := certs.Init(t.TempDir(), certs.Options{})
		if err != nil {
			t.Fatal(err)
		}
		cert, key := server.Certificate(t, "client")
		for _, test := range []struct {
			name, user, postgres, mysql string
			alias                       bool
			want                        string // in the error; "" if it must work
		}{
			{
				name:     "the right authority",
				postgres: "sslmode=verify-full&sslrootcert=" + server.CA, mysql: "ssl_ca=" + server.CA,
			},
			{
				name:     "the right authority by ssl_mode",
				postgres: "sslmode=verify-ca&sslrootcert=" + server.CA, mysql: "ssl_mode=VERIFY_IDENTITY&ssl_ca=" + server.CA,
			},
			{
				name:     "another authority",
				postgres: "sslmode=verify-full&sslrootcert=" + other.CAFile, mysql: "ssl_ca=" + other.CAFile,
				want: "of another authority than the one named by",
			},
			{
				name:     "an authority of the system",
				postgres: "sslmode=verify-full&sslrootcert=system", mysql: "ssl_verify_cert=true",
				want: "of another authority than the one named by",
			},
			{
				name: "another name", alias: true,
				postgres: "sslmode=verify-full&sslrootcert=" + server.CA, mysql: "ssl_ca=" + server.CA + "&ssl_verify_identity=true",
				want: "the URL must name the server as its certificate does",
			},
			{
				name: "another name that does not matter", alias: true,
				postgres: "sslmode=verify-ca&sslrootcert=" + server.CA, mysql: "ssl_ca=" + server.CA + "&ssl_check_hostname=false",
			},
			{
				name: "another authority, and no name", alias: true,
				postgres: "sslmode=verify-ca&sslrootcert=" + other.CAFile, mysql: "ssl_mode=VERIFY_CA&ssl_ca=" + other.CAFile,
				want: "of another authority than the one named by",
			},
			{name: "TLS without a check", postgres: "sslmode=require", mysql: "ssl_verify_cert=false"},
			{name: "TLS without a check by ssl_mode", postgres: "sslmode=require", mysql: "ssl_mode=REQUIRED"},
			{
				name: "a certificate of the client", user: "l2gw_cert",
				postgres: "sslmode=verify-full&sslrootcert=" + server.CA + "&sslcert=" + cert + "&sslkey=" + key,
				mysql:    "ssl_ca=" + server.CA + "&ssl_cert=" + cert + "&ssl_key=" + key,
			},
			{
				name: "no certificate of the client", user: "l2gw_cert",
				postgres: "sslmode=verify-full&sslrootcert=" + server.CA, mysql: "ssl_ca=" + server.CA,
				want: "l2gw_",
			},
			{name: "a user who must use TLS", user: "l2gw_cert", postgres: "sslmode=disable", mysql: "ssl_disabled=true", want: "l2gw_"},
		} {
			t.Run(test.name, func(t *testing.T) {
				host := server.Addr
				if test.alias {
					host = relay(t, "127.0.0.2:0", server.Addr, nil) // an address that the certificate does not have
				}
				url := tlsURL(database, host, test.postgres, test.mysql)
				if test.user != "" {
					url = strings.Replace(url, "://l2gw:", "://"+test.user+":", 1)
				}
				s, err := store.Open(t.Context(), url)
				if err == nil {
					defer func() { _ = s.Close() }()
				}
				switch {
				case test.want == "" && err != nil:
					t.Error(err)
				case test.want == "":
					if !s.Encrypted(t.Context(), t) {
						t.Error("the connection is not encrypted")
					}
				case err == nil:
					t.Error("it was opened")
				case !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "p@ss") || strings.Contains(err.Error(), "p%40ss"):
					t.Errorf("%v; want %q and no password", err, test.want)
				}
			})
		}
	})
}

// Each statement has a connection of its own here.
func TestFilesOfTLSAreRenewedWithoutARestart(t *testing.T) {
	onServers(t, func(t *testing.T, server *sqlserver.Server) {
		t.Parallel()
		database := server.Database(t)
		foreign := filepath.Join(t.TempDir(), "pki")
		if _, err := certs.Init(foreign, certs.Options{}); err != nil {
			t.Fatal(err)
		}
		other, err := certs.Issue(foreign, "client", certs.Options{})
		if err != nil {
			t.Fatal(err)
		}
		cert, key := server.Certificate(t, "renewed-"+rand.Text())
		dir := t.TempDir()
		put := func(name, from string) {
			t.Helper()
			b := []byte("nothing")
			if from != "" {
				if b, err = os.ReadFile(from); err != nil {
					t.Fatal(err)
				}
			}
			if err := os.WriteFile(dir+"/new", b, 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.Rename(dir+"/new", dir+"/"+name); err != nil {
				t.Fatal(err)
			}
		}
		put("ca", server.CA)
		put("cert", cert)
		put("key", key)
		url := strings.Replace(tlsURL(
			database, server.Addr,
			"sslmode=verify-full&sslrootcert="+dir+"/ca&sslcert="+dir+"/cert&sslkey="+dir+"/key",
			"ssl_ca="+dir+"/ca&ssl_cert="+dir+"/cert&ssl_key="+dir+"/key",
		), "://l2gw:", "://l2gw_cert:", 1)
		var log bytes.Buffer
		s, err := store.Open(t.Context(), url, store.WithConnectionLifetime(1), store.WithLogger(slog.New(slog.NewTextHandler(&log, nil))))
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = s.Close() }()
		works := func(what string, want bool) {
			t.Helper()
			if _, err := s.Revision(t.Context()); (err == nil) != want {
				t.Errorf("%s: %v", what, err)
			}
		}
		works("at first", true)
		put("ca", other.CAFile)
		works("another authority", false)
		put("ca", "")
		works("a broken file after it", false)
		put("ca", server.CA)
		works("the right authority again", true)
		put("ca", "")
		works("a broken file", true)
		put("ca", server.CA)
		put("cert", other.CertFile)
		works("a certificate without its key", true)
		put("key", other.KeyFile)
		works("a certificate that the server does not know", false)
		put("cert", cert)
		put("key", key)
		works("the right certificate again", true)
		for _, want := range []string{"database URL: ssl", dir + "/ca: there is no certificate in PEM form", "private key does not match", "were read again"} {
			if !strings.Contains(log.String(), want) {
				t.Errorf("the log does not say %q:\n%s", want, &log)
			}
		}
	})
}

// relay passes connections on to a server. Change, if not nil, may alter what the
// server says first, or answer the client itself.
func relay(t *testing.T, listen, server string, change func(client, server net.Conn) error) string {
	l, err := net.Listen("tcp", listen)
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	var mu sync.Mutex
	var open []net.Conn
	wg.Go(func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				defer client.Close()
				behind, err := net.Dial("tcp", server)
				if err != nil {
					return
				}
				defer behind.Close()
				mu.Lock()
				open = append(open, client, behind)
				mu.Unlock()
				if change != nil && change(client, behind) != nil {
					return
				}
				var back sync.WaitGroup
				back.Go(func() { _, _ = io.Copy(client, behind); client.Close() })
				_, _ = io.Copy(behind, client)
				behind.Close()
				back.Wait()
			})
		}
	})
	t.Cleanup(func() {
		l.Close()
		mu.Lock()
		for _, c := range open {
			c.Close()
		}
		mu.Unlock()
		wg.Wait()
	})
	return l.Addr().String()
}

// Whoever stands in between can claim that the server has no TLS.
func TestAServerWithoutTLSIsRefusedWhereTLSIsAskedFor(t *testing.T) {
	strip := map[bool]func(client, server net.Conn) error{
		true: func(client, _ net.Conn) error { // PostgreSQL: the answer to SSLRequest
			if _, err := io.ReadFull(client, make([]byte, 8)); err != nil {
				return err
			}
			_, err := client.Write([]byte("N"))
			return err
		},
		false: func(client, server net.Conn) error { // MariaDB: the capability CLIENT_SSL of its greeting
			buf := make([]byte, 4096)
			n, err := server.Read(buf)
			if err != nil {
				return err
			}
			version := strings.IndexByte(string(buf[5:n]), 0)
			low := 5 + version + 1 + 4 + 8 + 1
			buf[low+1] &^= 0x08
			_, err = client.Write(buf[:n])
			return err
		},
	}
	onServers(t, func(t *testing.T, server *sqlserver.Server) {
		t.Parallel()
		database := server.Database(t)
		for _, options := range [][2]string{
			{"sslmode=verify-full&sslrootcert=" + server.CA, "ssl_ca=" + server.CA},
			{"sslmode=require", "ssl_mode=REQUIRED"},
		} {
			proxy := relay(t, "127.0.0.1:0", server.Addr, strip[strings.HasPrefix(database, "postgresql")])
			s, err := store.Open(t.Context(), tlsURL(database, proxy, options[0], options[1]))
			if err == nil {
				_ = s.Close()
				t.Error("it was opened without TLS")
			} else if !strings.Contains(err.Error(), "the URL asks for TLS, which the server does not offer") {
				t.Error(err)
			}
		}
	})
}

func TestFilesOfTLSThatCannotBeUsedAreNamed(t *testing.T) {
	empty := t.TempDir() + "/empty.pem"
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, url := range []string{
		"mysql://u:tiger@h/d?ssl_ca=" + empty,
		"mysql://u:tiger@h/d?ssl_cert=" + empty + "&ssl_key=" + empty,
		"postgresql://u:tiger@h/d?sslmode=require&sslcert=" + empty + "&sslkey=" + empty,
	} {
		s, err := store.Open(t.Context(), url)
		if err == nil {
			_ = s.Close()
			t.Errorf("%s was opened", url)
		} else if !strings.Contains(err.Error(), "ssl") || strings.Contains(err.Error(), "tiger") {
			t.Errorf("%s: %v", url, err)
		}
	}
}
