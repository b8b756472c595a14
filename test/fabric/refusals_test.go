package fabric

import (
	"crypto/sha256"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"l2gw/internal/certs"
	"l2gw/test/ovsdbd"
	"l2gw/test/product"
)

// tokenFile is a file with a token, and the token's digest.
func tokenFile(t testing.TB, token string) (path, digest string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(path, []byte(token+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return path, fmt.Sprintf("%x", sha256.Sum256([]byte(token)))
}

// Whoever is refused is told so in the logs of both ends: who it is to the
// server, why, and what would let it in. Who is let in shows that the others
// could have been.
func TestAnAgentThatIsNotWhoItShouldBeIsRefusedAndBothEndsSayWhy(t *testing.T) {
	s := ovsdbd.Start(t, ovsdbd.Options{})
	c := product.NewCloud(t, inventory(3), product.CloudOptions{Servers: 1})
	server := c.Servers[0]
	const token = "correct-horse-battery-staple"
	right, digest := tokenFile(t, token)
	wrong, _ := tokenFile(t, "incorrect-"+token)
	c.WriteAgents(`
agents:
- {name: agent-1, databases: [mine]}
- {name: agent-2, databases: [mine]}
- {name: lab, token_sha256: ` + digest + `, databases: [mine]}
`)
	c.Start()

	expired, err := certs.Issue(c.PKI.Dir, "expired", certs.Options{Days: 1, Now: func() time.Time { return time.Now().AddDate(0, 0, -2) }})
	if err != nil {
		t.Fatal(err)
	}
	stranger := product.NewPKI(t).Issue("agent-1")
	stranger.CA = filepath.Join(c.PKI.Dir, "cacert.pem")
	second := c.PKI.Issue("agent-2").FabricArgs()
	caOnly := "--fabric-ca-cert=" + filepath.Join(c.PKI.Dir, "cacert.pem")
	for _, a := range []struct {
		why, host string
		args      []string
		server    []string // what the server's log says in one line
		agent     []string // and the agent's
	}{
		{
			"unknown authority", "agent-1", stranger.FabricArgs(),
			[]string{"an agent is refused", "is no authority of ours", "--fabric-ca-cert"},
			[]string{"no stream with the server", "certificate"},
		},
		{
			"expired", "agent-1", product.Files{Certificate: expired.CertFile, Key: expired.KeyFile, CA: expired.CAFile}.FabricArgs(),
			[]string{"an agent is refused", `CN \"expired\"`, "expired at"},
			[]string{"no stream with the server", "certificate"},
		},
		{
			"another's name", "agent-1", second,
			[]string{"an agent is refused", "agent-1", "agent-2"},
			[]string{"no stream with the server", "refused", "agent-2"},
		},
		{
			"not on the list", "nobody", c.PKI.Issue("nobody").FabricArgs(),
			[]string{"an agent is refused", "nobody"},
			[]string{"no stream with the server", "refused", "nobody"},
		},
		{
			"wrong token", "lab",
			[]string{caOnly, "--token-file=" + wrong},
			[]string{"an agent is refused", "token"},
			[]string{"no stream with the server", "refused", "token"},
		},
		{
			"a database that it may not have", "agent-2", second,
			[]string{"an agent is refused a database", "agent-2", "theirs"},
			[]string{"theirs", "agent-2"},
		},
	} {
		t.Run(a.why, func(t *testing.T) {
			agent := c.NewAgent(a.host, append(a.args, "--ovsdb-hosts=theirs:"+s.TCP)...)
			agent.Launch()
			server.WaitLog(a.server...)
			agent.WaitLog(a.agent...)
			agent.Stop()
			for _, log := range []string{server.Log(), agent.Log()} {
				if strings.Contains(log, token) {
					t.Error("the token is in a log")
				}
			}
		})
	}
	t.Run("the server's certificate is another's", func(t *testing.T) {
		odd := c.NewServe("odd", c.PKI.Issue("odd-2", "192.0.2.1").FabricArgs()...)
		odd.Launch()
		agent := c.NewAgent("agent-1", append(c.PKI.Issue("agent-1").FabricArgs(), "--servers="+odd.Fabric, "--ovsdb-hosts=mine:"+s.TCP)...)
		agent.Launch()
		agent.WaitLog("no stream with the server", odd.Fabric, "127.0.0.1")
		odd.WaitLog("an agent is refused", "it does not take our certificate")
	})
	t.Run("who comes in the clear", func(t *testing.T) {
		conn, err := net.Dial("tcp", server.Fabric)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		fmt.Fprint(conn, "POST / HTTP/1.1\r\nHost: x\r\n\r\n")
		server.WaitLog("an agent is refused", "does not speak TLS", "give it --fabric-ca-cert")
	})
	t.Run("a known token is let in", func(t *testing.T) {
		agent := c.NewAgent("lab", caOnly, "--token-file="+right, "--ovsdb-hosts=mine:"+s.TCP)
		agent.Launch()
		product.Eventually(t, "it has a stream", func() error {
			if agent.Monitor.Metric(`l2gw_agent_stream_obeyed{server="`+server.Fabric+`"}`) != 1 {
				return fmt.Errorf("it has none")
			}
			return nil
		})
	})
}

// What would let anybody in does not start at all.
func TestAServerOrAgentThatWouldSpeakInTheClearToOthersDoesNotStart(t *testing.T) {
	c := product.NewCloud(t, inventory(3), product.CloudOptions{Servers: 1})
	c.WriteAgents("agents: []\n")
	for says, p := range map[string]*product.Process{
		"in the clear on a loopback address only": c.NewServe("open", "--fabric-listen=0.0.0.0:0", "--fabric-certificate=", "--fabric-private-key=", "--fabric-ca-cert=").Process,
		"--agents: with TLS":                      c.NewServe("unlisted", "--agents=").Process,
		"serve has no authentication":             c.NewServe("api", "--listen=0.0.0.0:0").Process,
		"for loopback addresses only":             c.NewAgent("clear", "--servers=192.0.2.1:9698").Process,
		"belong together":                         c.NewAgent("half", "--fabric-ca-cert=x", "--fabric-certificate=y").Process,
		"give one of them":                        c.NewAgent("unknown", "--fabric-ca-cert=x").Process,
		"another process works in this folder":    twice(t, c),
	} {
		if log := p.Fails(); !strings.Contains(log, says) {
			t.Errorf("%s says %q, want %q", p.Name, log, says)
		}
	}
}

// twice is a server in the folder of one that runs.
func twice(t testing.TB, c *product.Cloud) *product.Process {
	t.Helper()
	c.Start()
	return c.NewServe("twice", "--state-dir="+c.Servers[0].State).Process
}
