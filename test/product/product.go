package product

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// Product is a running L2GW: `l2gw standalone`, or with L2GW_TEST_SPLIT=1 two
// servers on PostgreSQL and two agents that both have all databases, with TLS
// between them, so that the same stories can be told of both. Its methods end
// the test when they fail.
type Product struct {
	API
	Data      string // the data folder; that of the first server
	Inventory string // the inventory file

	parts  []*Process // in the order in which they are started
	agents []*Process // those of parts that have the databases
	cloud  *Cloud     // nil: one process
}

// Split reports whether Start runs servers and agents.
func Split() bool { return os.Getenv("L2GW_TEST_SPLIT") == "1" }

// Start writes the inventory and runs the product with these databases
// ("name:host:port"), or with an emulated switch if there are none.
func Start(t testing.TB, inventory string, databases ...string) *Product {
	t.Helper()
	if len(databases) == 0 {
		return StartWith(t, inventory)
	}
	return StartWith(t, inventory, "--ovsdb-hosts", strings.Join(databases, ","))
}

// StartWith writes the inventory and runs the product with these further options.
func StartWith(t testing.TB, inventory string, args ...string) *Product {
	t.Helper()
	p := standalone
	if Split() {
		p = split
	}
	product := p(t, inventory, args)
	product.Run()
	return product
}

// StartSplit is Start for what is told of servers and agents, however other stories are told.
func StartSplit(t testing.TB, inventory string, databases ...string) *Product {
	t.Helper()
	p := split(t, inventory, []string{"--ovsdb-hosts", strings.Join(databases, ",")})
	p.Run()
	return p
}

// StartStandalone is StartWith for what is told of `l2gw standalone` alone; why says so in
// the test's log where other stories are told of servers and agents.
func StartStandalone(t testing.TB, why, inventory string, args ...string) *Product {
	t.Helper()
	if Split() {
		t.Logf("as one process, not split: %s", why)
	}
	p := standalone(t, inventory, args)
	p.Run()
	return p
}

func standalone(t testing.TB, inventory string, args []string) *Product {
	dir := t.TempDir()
	listen := freeAddr(t)
	p := &Product{API: API{URL: "http://" + listen, t: t}, Data: filepath.Join(dir, "data"), Inventory: filepath.Join(dir, "inventory.yaml")}
	p.WriteInventory(inventory)
	one := newProcess(t, "product", append([]string{"standalone", "--listen", listen, "--data", p.Data, "--inventory", p.Inventory}, args...)...)
	one.ready = p.URL + "/healthz"
	p.parts, p.agents = []*Process{one}, []*Process{one}
	return p
}

// split is the product as a cloud of two servers and two agents.
func split(t testing.TB, inventory string, args []string) *Product {
	o := CloudOptions{Servers: 2, Agents: 2}
	for i := 0; i < len(args); i++ {
		name, value, joined := strings.Cut(args[i], "=")
		if !joined && i+1 < len(args) {
			i++
			value = args[i]
		}
		if name == "--database" {
			o.Database = value
		} else {
			o.AgentArgs = append(o.AgentArgs, name+"="+value)
		}
	}
	if !slices.ContainsFunc(o.AgentArgs, func(s string) bool { return strings.HasPrefix(s, "--private-key=") }) {
		ours, _ := SwitchFiles(t)
		o.AgentArgs = append(ours.SwitchArgs(), o.AgentArgs...)
	}
	c := NewCloud(t, inventory, o)
	// A switch that dials in does so to each agent, at an address of its own.
	for i, a := range c.Agents {
		for k, arg := range a.args {
			if strings.HasPrefix(arg, "--ovsdb-listen=") {
				a.args[k] = strings.TrimSuffix(arg, ":"+Dialled(0)) + ":" + Dialled(i)
			}
		}
	}
	p := &Product{API: c.Servers[0].API, Data: c.Servers[0].State, Inventory: c.Inventory, cloud: c}
	for _, s := range c.Servers {
		p.parts = append(p.parts, s.Process)
	}
	for _, a := range c.Agents {
		p.parts = append(p.parts, a.Process)
		p.agents = append(p.agents, a.Process)
	}
	return p
}

// Dialled is the address at which agent i of a split product waits for switches that
// are told to dial 127.0.0.1.
func Dialled(i int) string { return fmt.Sprintf("127.0.0.%d", i+1) }

// Leader is the server whose controller leads.
func (p *Product) Leader() API {
	p.t.Helper()
	if p.cloud == nil {
		return p.API
	}
	leader, _ := p.cloud.Leader()
	return leader.API
}

// Managers is how many of the product's processes connect to each switch.
func (p *Product) Managers() int { return len(p.agents) }

// Monitors are the URLs at which metrics of the server and of the databases are: one
// and the same, or the (first) server and each agent.
func (p *Product) Monitors() (server string, databases []string) {
	if p.cloud == nil {
		return p.URL, []string{p.URL}
	}
	for _, a := range p.cloud.Agents {
		databases = append(databases, a.Monitor.URL)
	}
	return p.URL, databases
}

// Run starts all that does not run, and waits until the API answers and knows
// the inventory.
func (p *Product) Run() {
	p.t.Helper()
	p.Launch()
	p.parts[0].answers("the API knows the inventory", p.URL+"/v2.0/networks?fields=id")
}

// Launch starts the product, again if it ended, and waits until the API
// answers, whatever it knows.
func (p *Product) Launch() {
	p.t.Helper()
	for _, x := range p.parts {
		x.start()
	}
	for _, x := range p.parts {
		x.answers(x.Name+" answers", x.ready)
	}
}

// Kill ends the product with SIGKILL and waits until it is gone.
func (p *Product) Kill() {
	for _, x := range p.parts {
		x.Kill()
	}
}

// Stop ends the product with SIGTERM and waits until it is gone.
func (p *Product) Stop() {
	for _, x := range p.parts {
		x.Stop()
	}
}

// Pid is the process id of the (first) server.
func (p *Product) Pid() int { return p.parts[0].Pid() }

// AddDatabase adds "name:host:port" to those of the next Run.
func (p *Product) AddDatabase(database string) {
	for _, x := range p.agents {
		i := len(x.args) - 1
		x.args = append(slices.Clone(x.args[:i]), x.args[i]+","+database)
	}
}

// Log is all that the product has logged, in all its runs.
func (p *Product) Log() string {
	p.t.Helper()
	var all strings.Builder
	for _, x := range p.parts {
		all.WriteString(x.Log())
	}
	return all.String()
}

// WriteInventory replaces the inventory file at one stroke.
func (p *Product) WriteInventory(contents string) {
	p.t.Helper()
	WriteFile(p.t, p.Inventory, contents)
}

// WriteFile replaces a file at one stroke.
func WriteFile(t testing.TB, path, contents string) {
	t.Helper()
	if err := os.WriteFile(path+".new", []byte(contents), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
}
