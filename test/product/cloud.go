package product

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"l2gw/test/netlab"
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
	Links     []*netlab.Link // of a laboratory: each agent's to each server

	t     testing.TB
	tls   bool
	hosts map[string]*netlab.Host // by name of the process; nil: all on this one
	ends  map[string][]end        // the links of a host
}

// end is the server's address on a link from an agent.
type end struct {
	agent string
	addr  netip.Addr
}

// CloudOptions say how many there are of each; none of them is started.
type CloudOptions struct {
	Servers, Agents int
	Database        string // URL; "": a new one on PostgreSQL
	ServerArgs      []string
	AgentArgs       []string // --ovsdb-hosts and such, for all agents
	// TLS lets the servers' API speak it, with certificates of the cloud's PKI,
	// which the clients of this process trust until the end of the test.
	TLS bool
	// Lab gives each process a host of its own, with links from each agent to each
	// server; the database and the switches must listen on netlab.Hub.
	Lab *netlab.Lab
}

// Serve is an `l2gw serve`.
type Serve struct {
	*Process
	API
	Fabric string // HOST:PORT for agents
	State  string // folder
	Host   *netlab.Host
}

// Agent is an `l2gw agent`.
type Agent struct {
	*Process
	Monitor API // for metrics
	State   string
	Host    *netlab.Host
}

// NewCloud makes certificates, files and a database for a cloud.
func NewCloud(t testing.TB, inventory string, o CloudOptions) *Cloud {
	t.Helper()
	dir := t.TempDir()
	c := &Cloud{
		t: t, Inventory: filepath.Join(dir, "inventory.yaml"), AgentList: filepath.Join(dir, "agents.yaml"), Database: o.Database,
		PKI: NewPKI(t), tls: o.TLS,
	}
	if c.tls {
		c.PKI.Trust()
	}
	if c.Database == "" {
		c.Database = sqlserver.PostgreSQL(t).Database(t)
	}
	c.WriteInventory(inventory)
	var list strings.Builder
	list.WriteString("agents:\n")
	if o.Agents == 0 {
		list.WriteString("- {name: nobody, databases: ['*']}\n")
	}
	for i := range o.Agents {
		fmt.Fprintf(&list, "- {name: agent-%d, databases: ['*']}\n", i+1)
	}
	c.WriteAgents(list.String())
	if o.Lab != nil {
		c.lay(o)
	}
	for i := range o.Servers {
		c.Servers = append(c.Servers, c.NewServe(fmt.Sprintf("server-%d", i+1), o.ServerArgs...))
	}
	for i := range o.Agents {
		name := fmt.Sprintf("agent-%d", i+1)
		c.Agents = append(c.Agents, c.NewAgent(name, append(c.PKI.Issue(name).FabricArgs(), o.AgentArgs...)...))
	}
	return c
}

// lay makes hosts and links.
func (c *Cloud) lay(o CloudOptions) {
	c.hosts, c.ends = map[string]*netlab.Host{}, map[string][]end{}
	for i := range o.Agents {
		name := fmt.Sprintf("agent-%d", i+1)
		c.hosts[name] = o.Lab.Host(name)
	}
	for i := range o.Servers {
		server := fmt.Sprintf("server-%d", i+1)
		c.hosts[server] = o.Lab.Host(server)
		for j := range o.Agents {
			agent := fmt.Sprintf("agent-%d", j+1)
			link, addr := o.Lab.Link(c.hosts[agent], c.hosts[server])
			c.Links = append(c.Links, link)
			c.ends[server] = append(c.ends[server], end{agent, addr})
		}
	}
}

// The ports of processes that have a host of their own.
const (
	apiPort    = ":9697"
	fabricPort = ":9698"
	metricPort = ":9699"
)

// NewServe describes one more server.
func (c *Cloud) NewServe(name string, args ...string) *Serve {
	c.t.Helper()
	s := &Serve{State: filepath.Join(c.t.TempDir(), "state"), Host: c.hosts[name]}
	var listen string
	sans := []string{"127.0.0.1"}
	if s.Host == nil {
		listen, s.Fabric = freeAddr(c.t), freeAddr(c.t)
		s.API = API{URL: "http://" + listen, t: c.t}
	} else {
		listen, s.Fabric = "0.0.0.0"+apiPort, "0.0.0.0"+fabricPort
		s.API = API{URL: "http://" + s.Host.Addr.String() + apiPort, t: c.t}
		args = append(slices.Clone(args), "--listen-without-authentication")
		for _, e := range c.ends[name] {
			sans = append(sans, e.addr.String())
		}
	}
	files := c.PKI.Issue(name, sans...)
	if c.tls {
		s.URL = strings.Replace(s.URL, "http:", "https:", 1)
		args = append(slices.Clone(args), "--api-certificate="+files.Certificate, "--api-private-key="+files.Key)
	}
	all := append([]string{
		"serve", "--listen", listen, "--fabric-listen", s.Fabric, "--state-dir", s.State, "--database", named(c.Database, name), "--inventory", c.Inventory,
		"--agents", c.AgentList, "--server-name", name,
	}, files.FabricArgs()...)
	s.Process = newProcess(c.t, name, append(all, args...)...)
	s.host = s.Host
	s.ready = s.URL + "/healthz"
	return s
}

// named is the URL with a name by which PostgreSQL knows who is connected.
func named(database, name string) string {
	u, err := url.Parse(database)
	if err != nil || !strings.HasPrefix(u.Scheme, "postgresql") {
		return database
	}
	q := u.Query()
	q.Set("application_name", name)
	u.RawQuery = q.Encode()
	return u.String()
}

// NewAgent describes one more agent of all servers that there are by now; args
// say how it is known and what it keeps.
func (c *Cloud) NewAgent(name string, args ...string) *Agent {
	c.t.Helper()
	a := &Agent{State: filepath.Join(c.t.TempDir(), "state"), Host: c.hosts[name]}
	var monitor string
	var servers []string
	if a.Host == nil {
		monitor = freeAddr(c.t)
		a.Monitor = API{URL: "http://" + monitor, t: c.t}
	} else {
		monitor = "0.0.0.0" + metricPort
		a.Monitor = API{URL: "http://" + a.Host.Addr.String() + metricPort, t: c.t}
	}
	for _, s := range c.Servers {
		if s.Host == nil {
			servers = append(servers, s.Fabric)
		}
		for _, e := range c.ends[s.Name] {
			if e.agent == name {
				servers = append(servers, e.addr.String()+fabricPort)
			}
		}
	}
	a.Process = newProcess(c.t, name, append([]string{
		"agent", "--host", name, "--servers", strings.Join(servers, ","), "--state-dir", a.State, "--metrics-listen", monitor,
	}, args...)...)
	a.ready = a.Monitor.URL + "/healthz"
	a.host = a.Host
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
		s.answers(s.Name+" answers", s.ready)
		s.knowsInventory()
	}
	for _, a := range c.Agents {
		a.answers(a.Name+" answers", a.ready)
	}
}

// knowsInventory waits until the server has read its inventory.
func (s *Serve) knowsInventory() {
	s.API.t.Helper()
	s.Eventually(s.Name+" knows the inventory", func() error {
		status, out := s.Do("GET", "/v2.0/l2-gateway-inventory", nil)
		if status == http.StatusNotFound { // it is of the first version, and the networks are 503 until then
			status, out = s.Do("GET", "/v2.0/networks?fields=id", nil)
		} else if state, _ := out["l2_gateway_inventory"].(Object); state != nil && state["known"] != true {
			return fmt.Errorf("%v", state)
		}
		if status != http.StatusOK {
			return fmt.Errorf("%d %v", status, out)
		}
		return nil
	})
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

var switches struct {
	once       sync.Once
	dir        string
	err        error
	ours, each Files
}

// SwitchFiles are certificates for connections with switches, the same for all
// tests of this process: of L2GW, and of each switch, which is 127.0.0.1.
func SwitchFiles(t testing.TB) (ours, each Files) {
	t.Helper()
	switches.once.Do(func() {
		dir, err := os.MkdirTemp("", "l2gw-pki")
		if err != nil {
			switches.err = err
			return
		}
		switches.dir = dir
		p := &PKI{filepath.Join(dir, "pki"), t}
		p.run("certs", "init", p.Dir)
		switches.ours, switches.each = p.Issue("l2gw"), p.Issue("switch", "127.0.0.1")
	})
	if switches.err != nil || switches.each.CA == "" {
		t.Fatalf("there are no certificates for switches: %v", switches.err)
	}
	return switches.ours, switches.each
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

// Trust lets http.DefaultTransport believe the authority until the end of the test.
func (p *PKI) Trust() {
	p.t.Helper()
	pem, err := os.ReadFile(filepath.Join(p.Dir, "cacert.pem"))
	if err != nil {
		p.t.Fatal(err)
	}
	before := http.DefaultTransport
	trusting := before.(*http.Transport).Clone()
	trusting.TLSClientConfig = &tls.Config{RootCAs: x509.NewCertPool()}
	trusting.TLSClientConfig.RootCAs.AppendCertsFromPEM(pem)
	http.DefaultTransport = trusting
	p.t.Cleanup(func() {
		http.DefaultTransport = before
		trusting.CloseIdleConnections()
	})
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
