package product

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"l2gw/test/sqlserver"
)

// Cloud is servers and agents as processes, with TLS between them. They may be
// started, killed, stopped and paused one by one.
type Cloud struct {
	Servers   []*Serve
	Agents    []*Agent
	Inventory string // file, the same for all servers
	Database  string // URL
	AgentList string // file: who may connect
	PKI       *PKI

	t testing.TB
}

// CloudOptions say how many there are of each; none of them is started.
type CloudOptions struct {
	Servers, Agents int
	Database        string // URL; "": a new one on PostgreSQL
	ServerArgs      []string
	AgentArgs       []string // --ovsdb-hosts and such, for all agents
}

// Serve is an `l2gw serve`.
type Serve struct {
	*Process
	API
	Fabric string // HOST:PORT for agents
	State  string // folder
}

// Agent is an `l2gw agent`.
type Agent struct {
	*Process
	Monitor API // for metrics
	State   string
}

// NewCloud makes certificates, files and a database for a cloud.
func NewCloud(t testing.TB, inventory string, o CloudOptions) *Cloud {
	t.Helper()
	dir := t.TempDir()
	c := &Cloud{
		t: t, Inventory: filepath.Join(dir, "inventory.yaml"), AgentList: filepath.Join(dir, "agents.yaml"), Database: o.Database,
		PKI: NewPKI(t),
	}
	if c.Database == "" {
		c.Database = sqlserver.PostgreSQL(t).Database(t)
	}
	c.WriteInventory(inventory)
	var list strings.Builder
	list.WriteString("agents:\n")
	for i := range o.Agents {
		fmt.Fprintf(&list, "- {name: agent-%d, databases: ['*']}\n", i+1)
	}
	c.WriteAgents(list.String())
	for i := range o.Servers {
		c.Servers = append(c.Servers, c.NewServe(fmt.Sprintf("server-%d", i+1), o.ServerArgs...))
	}
	for i := range o.Agents {
		name := fmt.Sprintf("agent-%d", i+1)
		c.Agents = append(c.Agents, c.NewAgent(name, append(c.PKI.Issue(name).FabricArgs(), o.AgentArgs...)...))
	}
	return c
}

// NewServe describes one more server.
func (c *Cloud) NewServe(name string, args ...string) *Serve {
	c.t.Helper()
	listen := freeAddr(c.t)
	s := &Serve{API: API{"http://" + listen, c.t}, Fabric: freeAddr(c.t), State: filepath.Join(c.t.TempDir(), "state")}
	all := append([]string{
		"serve", "--listen", listen, "--fabric-listen", s.Fabric, "--state-dir", s.State, "--database", c.Database, "--inventory", c.Inventory,
		"--agents", c.AgentList, "--server-name", name,
	}, c.PKI.Issue(name, "127.0.0.1").FabricArgs()...)
	s.Process = newProcess(c.t, name, append(all, args...)...)
	s.ready = s.URL + "/healthz"
	return s
}

// NewAgent describes one more agent of all servers that there are by now; args
// say how it is known and what it keeps.
func (c *Cloud) NewAgent(name string, args ...string) *Agent {
	c.t.Helper()
	monitor := freeAddr(c.t)
	a := &Agent{Monitor: API{"http://" + monitor, c.t}, State: filepath.Join(c.t.TempDir(), "state")}
	var servers []string
	for _, s := range c.Servers {
		servers = append(servers, s.Fabric)
	}
	a.Process = newProcess(c.t, name, append([]string{
		"agent", "--host", name, "--servers", strings.Join(servers, ","), "--state-dir", a.State, "--metrics-listen", monitor,
	}, args...)...)
	a.ready = a.Monitor.URL + "/healthz"
	return a
}

// Start starts all processes and waits until they answer, and the servers know
// the inventory.
func (c *Cloud) Start() {
	c.t.Helper()
	for _, s := range c.Servers {
		s.start()
	}
	for _, a := range c.Agents {
		a.start()
	}
	for _, s := range c.Servers {
		s.answers(s.Name+" knows the inventory", s.URL+"/v2.0/networks?fields=id")
	}
	for _, a := range c.Agents {
		a.answers(a.Name+" answers", a.ready)
	}
}

// Leader returns the server that leads, and the others.
func (c *Cloud) Leader() (leader *Serve, others []*Serve) {
	c.t.Helper()
	Eventually(c.t, "a server leads", func() error {
		leader, others = nil, nil
		for _, s := range c.Servers {
			if s.Metric("l2gw_lease_leading") == 1 {
				leader = s
			} else {
				others = append(others, s)
			}
		}
		if leader == nil {
			return fmt.Errorf("none does")
		}
		return nil
	})
	return leader, others
}

// Writer returns the agent that writes to a database, and the others.
func (c *Cloud) Writer(database string) (writer *Agent, others []*Agent) {
	c.t.Helper()
	Eventually(c.t, "an agent writes to "+database, func() error {
		writer, others = nil, nil
		for _, a := range c.Agents {
			if a.Monitor.Metric(`l2gw_database_granted{database="`+database+`"}`) == 1 && a.Monitor.Metric(`l2gw_database_locked{database="`+database+`"}`) == 1 {
				writer = a
			} else {
				others = append(others, a)
			}
		}
		if writer == nil {
			return fmt.Errorf("none does")
		}
		return nil
	})
	return writer, others
}

// WriteInventory replaces the inventory file at one stroke.
func (c *Cloud) WriteInventory(contents string) {
	c.t.Helper()
	WriteFile(c.t, c.Inventory, contents)
}

// WriteAgents replaces the list of agents at one stroke.
func (c *Cloud) WriteAgents(contents string) {
	c.t.Helper()
	WriteFile(c.t, c.AgentList, contents)
}

// PKI is an authority made by `l2gw certs`.
type PKI struct {
	Dir string
	t   testing.TB
}

// Files are a certificate, its key, and the authority of the other end.
type Files struct{ Certificate, Key, CA string }

// NewPKI makes an authority.
func NewPKI(t testing.TB) *PKI {
	t.Helper()
	p := &PKI{filepath.Join(t.TempDir(), "pki"), t}
	p.run("certs", "init", p.Dir)
	return p
}

// Issue makes a certificate for a name, and for further ones.
func (p *PKI) Issue(name string, sans ...string) Files {
	p.t.Helper()
	args := []string{"certs", "issue", p.Dir, name}
	for _, s := range sans {
		args = append(args, "--san", s)
	}
	p.run(args...)
	return Files{filepath.Join(p.Dir, name+"-cert.pem"), filepath.Join(p.Dir, name+"-key.pem"), filepath.Join(p.Dir, "cacert.pem")}
}

func (p *PKI) run(args ...string) {
	p.t.Helper()
	if out, err := exec.Command(Binary(p.t), args...).CombinedOutput(); err != nil {
		p.t.Fatalf("l2gw %v: %v\n%s", args, err, out)
	}
}

// FabricArgs are the options for the connections of servers and agents.
func (f Files) FabricArgs() []string {
	return []string{"--fabric-certificate=" + f.Certificate, "--fabric-private-key=" + f.Key, "--fabric-ca-cert=" + f.CA}
}

// SwitchArgs are the options for the connections with switches; ovsdb-server
// has the same.
func (f Files) SwitchArgs() []string {
	return []string{"--certificate=" + f.Certificate, "--private-key=" + f.Key, "--ca-cert=" + f.CA}
}
