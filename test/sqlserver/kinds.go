package sqlserver

import (
	"database/sql"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/go-sql-driver/mysql"
	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"
)

var postgresql = kind{
	name:    "PostgreSQL",
	account: "postgres",
	create: func(s *Server) error {
		data := filepath.Join(s.dir, "data")
		if err := s.do(postgresProgram("initdb"), "--pgdata="+data, "--username=postgres",
			"--auth-local=trust", "--auth-host=scram-sha-256", "--no-sync", "--encoding=UTF8", "--locale=C.UTF-8", "--no-instructions"); err != nil {
			return err
		}
		// The first line that fits counts.
		return s.do("sh", "-c", `cd "$1" && printf '%s\n' "hostssl all l2gw_cert 0.0.0.0/0 scram-sha-256 clientcert=verify-ca" `+
			`"hostnossl all l2gw_cert 0.0.0.0/0 reject" "host all l2gw 0.0.0.0/0 scram-sha-256" >hba && cat pg_hba.conf >>hba && mv hba pg_hba.conf`, "sh", data)
	},
	command: func(s *Server) []string {
		return []string{
			postgresProgram("postgres"), "-D", filepath.Join(s.dir, "data"), "-k", s.dir, "-h", s.host(), "-p", s.port(),
			"-c", "fsync=off", "-c", "full_page_writes=off", "-c", "shared_buffers=32MB", "-c", "max_connections=200",
			"-c", "ssl=on", "-c", "ssl_cert_file=" + s.certificate.CertFile, "-c", "ssl_key_file=" + s.certificate.KeyFile, "-c", "ssl_ca_file=" + s.CA,
			"-c", "autovacuum_naptime=10s", "-c", "log_min_messages=error", "-c", "log_min_error_statement=panic",
		}
	},
	socket: func(s *Server) string { return filepath.Join(s.dir, ".s.PGSQL."+s.port()) },
	admin: func(s *Server) (*sql.DB, error) {
		return sql.Open("pgx", fmt.Sprintf("host=%s port=%s user=postgres dbname=postgres connect_timeout=5", s.dir, s.port()))
	},
	grant: []string{
		"CREATE ROLE l2gw LOGIN PASSWORD " + quote(Password, false),
		"CREATE ROLE l2gw_cert LOGIN PASSWORD " + quote(Password, false) + " IN ROLE l2gw",
		"ALTER ROLE l2gw_cert SET role = l2gw",
		"CREATE ROLE l2gw_rw LOGIN PASSWORD " + quote(Password, false),
	},
	make: "CREATE DATABASE %s OWNER l2gw STRATEGY file_copy",
	drop: "DROP DATABASE %s WITH (FORCE)",
	url: func(s *Server, database string) string {
		return "postgresql+psycopg2://l2gw:" + url.QueryEscape(Password) + "@" + s.Addr + "/" + database + "?sslmode=disable"
	},
}

// postgresProgram is the newest that is installed; Debian has it outside PATH.
func postgresProgram(name string) string {
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/" + name)
	best := name
	for _, f := range found {
		if len(f) > len(best) || len(f) == len(best) && f > best || best == name {
			best = f
		}
	}
	return best
}

var mariadb = kind{
	name:    "MariaDB",
	account: "mysql",
	missing: []string{"mariadbd", "mariadb-install-db"},
	create: func(s *Server) error {
		return s.do("mariadb-install-db", "--no-defaults", "--datadir="+filepath.Join(s.dir, "data"),
			"--auth-root-authentication-method=normal", "--skip-test-db", "--skip-name-resolve", "--innodb-flush-method=nosync",
			// In /tmp, two at a time would remove each other's temporary tables.
			"--tmpdir="+s.dir)
	},
	command: func(s *Server) []string {
		return []string{
			"mariadbd", "--no-defaults", "--datadir=" + filepath.Join(s.dir, "data"), "--socket=" + s.Socket,
			"--bind-address=" + s.host(), "--port=" + s.port(), "--pid-file=" + filepath.Join(s.dir, "pid"), "--tmpdir=" + s.dir,
			"--ssl-ca=" + s.CA, "--ssl-cert=" + s.certificate.CertFile, "--ssl-key=" + s.certificate.KeyFile,
			"--skip-name-resolve", "--skip-log-bin", "--skip-slave-start", "--max-connections=200", "--performance-schema=off",
			// A commit is handed to the kernel, not to the disk.
			"--innodb-flush-log-at-trx-commit=2", "--innodb-flush-method=nosync", "--innodb-buffer-pool-size=32M",
			// What an old server's defaults were: the product must not rely on better ones.
			"--character-set-server=latin1", "--collation-server=latin1_swedish_ci", "--sql-mode=",
		}
	},
	socket: func(s *Server) string { return filepath.Join(s.dir, "sock") },
	admin: func(s *Server) (*sql.DB, error) {
		c := mysql.NewConfig()
		c.User, c.Net, c.Addr, c.Logger = "root", "unix", s.Socket, &mysql.NopLogger{}
		connector, err := mysql.NewConnector(c)
		if err != nil {
			return nil, err
		}
		return sql.OpenDB(connector), nil
	},
	grant: []string{
		"CREATE USER l2gw@'%' IDENTIFIED BY " + quote(Password, true),
		"CREATE USER l2gw_cert@'%' IDENTIFIED BY " + quote(Password, true) + " REQUIRE X509",
		"CREATE USER l2gw_rw@'%' IDENTIFIED BY " + quote(Password, true),
		"GRANT ALL ON `l2gw\\_%`.* TO l2gw@'%', l2gw_cert@'%'",
	},
	make: "CREATE DATABASE %s",
	drop: "DROP DATABASE %s",
	url: func(s *Server, database string) string {
		return "mysql+pymysql://l2gw:" + url.QueryEscape(Password) + "@" + s.Addr + "/" + database + "?charset=utf8"
	},
}

// galera is MariaDB as the first and only node of a Galera cluster.
var galera = func() kind {
	k := mariadb
	k.name = "Galera"
	k.up = inCluster
	k.command = func(s *Server) []string { return galeraCommand(s, filepath.Base(s.dir), "", 1) }
	return k
}()

// galeraFirst is the node that begins a cluster.
var galeraFirst = func() kind {
	k := galera
	k.name = "Galera, first"
	k.command = func(s *Server) []string { return galeraCommand(s, filepath.Base(s.dir), "", 2) }
	return k
}()

// galeraNext is a node that joins the first one's cluster: with the first one's
// data at first, later with what it missed.
func galeraNext(first *Server) kind {
	k := galera
	k.name, k.grant = "Galera, next", nil
	k.create = func(s *Server) error { return s.do("mkdir", filepath.Join(s.dir, "data")) }
	k.command = func(s *Server) []string {
		command := galeraCommand(s, filepath.Base(first.dir), first.cluster, 1)
		return append(command, s.position(command)...)
	}
	return k
}

// inCluster says why a node takes no statements yet: it answers before it does.
func inCluster(s *Server) error {
	var name, ready string
	if err := s.admin.QueryRow("SHOW STATUS LIKE 'wsrep\\_ready'").Scan(&name, &ready); err != nil || ready != "ON" {
		return fmt.Errorf("it is no part of the cluster: %s, %w", ready, err)
	}
	return nil
}

// galeraCommand starts a node of a cluster, which it begins if there are no peers.
func galeraCommand(s *Server, cluster, peers string, weight int) []string {
	return append(mariadb.command(s),
		"--wsrep-on=ON", "--wsrep-provider=/usr/lib/galera/libgalera_smm.so", "--wsrep-cluster-name="+cluster,
		"--wsrep-cluster-address=gcomm://"+peers, "--wsrep-node-address="+s.host(), "--wsrep-sst-method=rsync",
		"--wsrep-sst-receive-address="+freeAddr(s.host()), "--binlog-format=ROW", "--innodb-autoinc-lock-mode=2", "--innodb-log-file-size=4M",
		fmt.Sprintf("--wsrep-provider-options=gmcast.listen_addr=tcp://%s;ist.recv_addr=%s;gcache.size=16M;gcache.page_size=1M;pc.weight=%d;socket.checksum=1",
			s.cluster, freeAddr(s.host()), weight))
}

// position tells a node that was killed how far it had come, as the scripts do that
// start a node in production. Without it, it would copy everything, and the node
// that it copies from could write nothing meanwhile.
func (s *Server) position(command []string) []string {
	data := filepath.Join(s.dir, "data")
	if _, err := os.Stat(filepath.Join(data, "grastate.dat")); err != nil {
		return nil
	}
	log := filepath.Join(s.dir, "recovered.err")
	_ = s.do(append(slices.Clone(command), "--wsrep-recover", "--log-error="+log)...) // whose exit code says nothing
	said, _ := os.ReadFile(log)
	_ = os.Remove(log)
	if found := recovered.FindSubmatch(said); found != nil {
		return []string{"--wsrep-start-position=" + string(found[1])}
	}
	return nil
}

var recovered = regexp.MustCompile(`WSREP: Recovered position: (\S+)`)

func quote(text string, backslash bool) string {
	if backslash {
		text = strings.ReplaceAll(text, `\`, `\\`)
	}
	return "'" + strings.ReplaceAll(text, "'", "''") + "'"
}
