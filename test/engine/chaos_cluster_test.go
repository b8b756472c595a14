package engine

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"l2gw/test/netlab"
	"l2gw/test/ovsdbd"
	"l2gw/test/product"
	"l2gw/test/sqlserver"
)

const (
	// clusterTarget is the time in which all is as it should be after the last
	// fault; a test on a busy machine allows five times that.
	clusterTarget = 10 * time.Second
	// defaultClusterRounds are those of a test run that says neither rounds nor minutes.
	defaultClusterRounds = 2
)

// Servers and agents on hosts of their own are killed, stopped and stand still;
// so do switches and the database; links are cut, in one direction or both, and
// crawl; several of these at once, while users and the inventory go on. When all
// is healed, all is as it should be. On the way no foreign row was touched, no
// rule of order was broken, what was acknowledged was kept, nobody wrote without
// the lock, and while no server knew the inventory no row of ours went away.
//
// L2GW_CHAOS_MINUTES or L2GW_CHAOS_ROUNDS make it longer, L2GW_CHAOS_SEED another
// story. In every third story removals are held, and an operator releases them.
func TestWhateverBreaksBetweenServersAndAgentsAllConvergesWhenItIsHealed(t *testing.T) {
	if !netlab.Enter(t) {
		return
	}
	seed := option(t, "L2GW_CHAOS_SEED", 1)
	rounds := int(option(t, "L2GW_CHAOS_ROUNDS", defaultClusterRounds))
	minutes := time.Duration(option(t, "L2GW_CHAOS_MINUTES", 0)) * time.Minute
	c := newChaos(t, seed)
	p := newCluster(c)
	t.Cleanup(p.report)
	begin, round := time.Now(), 0
	t.Cleanup(func() {
		t.Logf("%d rounds of the story L2GW_CHAOS_SEED=%d in %v", round, seed, time.Since(begin).Round(time.Second))
	})
	for ; minutes == 0 && round < rounds || time.Since(begin) < minutes; round++ {
		c.Logf("round %d", round)
		if c.rng.IntN(4) == 0 {
			p.blindness(c)
		}
		accidents := 2
		if c.rng.IntN(3) > 0 {
			accidents = 6 + c.rng.IntN(14)
		}
		for range accidents {
			c.accident()
		}
		if c.rng.IntN(4) == 0 { // longer than any term
			c.pause(9000)
		}
		c.recover()
		healed := time.Now()
		c.converge()
		p.took = append(p.took, time.Since(healed))
		for _, h := range p.history {
			h.read()
		}
		if c.Failed() {
			return
		}
	}
}

// cluster is two servers and two agents on hosts of their own, with TLS between
// all of them and the switches, and PostgreSQL.
type cluster struct {
	*product.Cloud
	c       *chaos
	sql     *sqlserver.Server
	open    map[string]func() // what heals the fault of a process or link that is open
	took    []time.Duration   // each round, to converge
	history []*lockHistory
	held    bool // removals are held until they are released
	blind   int  // rounds without an inventory
	release int  // of what was held
	ended   int  // processes that ended by themselves
	unknown bool // no server knows the inventory at present
}

func newCluster(c *chaos) *cluster {
	c.limit = 5 * clusterTarget
	c.client = &http.Client{Timeout: 2 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	p := &cluster{c: c, open: map[string]func(){}, held: c.seed%3 == 0}
	c.p = p
	pki := product.NewPKI(c)
	args := pki.Issue("l2gw").SwitchArgs()
	var databases []string
	for i := range c.world.databases {
		name := fmt.Sprintf("db%d", i)
		_, port, _ := net.SplitHostPort(freeHubAddr(c))
		c.addDatabase(i, ovsdbd.Options{
			Remotes: []string{"pssl:" + port + ":" + netlab.Hub.String()},
			Args:    append(pki.Issue(name).SwitchArgs(), "-vjsonrpc:file:dbg"),
		})
		p.history = append(p.history, newLockHistory(filepath.Join(c.servers[i].Dir, "log")))
		databases = append(databases, name+":ssl:"+net.JoinHostPort(netlab.Hub.String(), port))
		args = append(args, "--ovsdb-identity="+name+"=cn:"+name)
	}
	args = append(args, "--ovsdb-hosts="+strings.Join(databases, ","))
	if !p.held {
		args = append(args, "--hold-share=1")
	}
	p.sql = sqlserver.PostgreSQLAt(c, netlab.Hub.String())
	p.Cloud = product.NewCloud(c, c.world.inventory.yaml(), product.CloudOptions{
		Servers: 2, Agents: 2, AgentArgs: args, Database: p.sql.Database(c), Lab: netlab.New(c),
	})
	p.Start()
	p.populate(c)
	return p
}

// populate has all networks bound on both switches, and hosts in all of them.
func (p *cluster) populate(c *chaos) {
	devices := []product.Device{
		{Name: "ps1", Interfaces: []product.Interface{{Name: "eth1"}, {Name: "eth2"}}},
		{Name: "ps3", Interfaces: []product.Interface{{Name: "eth1"}}},
	}
	c.send(&request{
		"POST", "/v2.0/l2-gateways",
		product.Object{"l2_gateway": product.Object{"name": "first", "devices": describeDevices(devices)}},
		func(i intent) { i.Gateways["first"] = devices },
	})
	for n, network := range slices.Sorted(maps.Keys(c.world.inventory.networks)) {
		vlan := fmt.Sprint(20 + n)
		c.send(&request{
			"POST", "/v2.0/l2-gateway-connections",
			product.Object{"l2_gateway_connection": product.Object{"l2_gateway_id": c.ids["first"], "network_id": network, "segmentation_id": vlan}},
			func(i intent) { i.Connections[chaosConnection{"first", network}] = vlan },
		})
	}
	for range 100 {
		c.addPort()
	}
	p.WriteInventory(c.world.inventory.yaml())
	c.converge()
}

// exodus has most hosts of a network leave at once.
func (p *cluster) exodus(c *chaos) {
	v := &c.world.inventory
	id := pickKey(c, v.networks)
	for _, mac := range slices.Sorted(maps.Keys(v.ports)) {
		if v.ports[mac].network == id && c.rng.IntN(4) > 0 {
			delete(v.ports, mac)
		}
	}
	c.fault("inventory lost most of a network's hosts")
	c.Logf("most hosts of network %s leave", id)
	p.WriteInventory(v.yaml())
}

func freeHubAddr(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", net.JoinHostPort(netlab.Hub.String(), "0"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func (p *cluster) weight() int     { return 50 }
func (p *cluster) mayFail() bool   { return true }
func (p *cluster) well() bool      { return len(p.open) == 0 }
func (p *cluster) mayBeLate() bool { return true }

func (p *cluster) url(c *chaos) string {
	// Not by the seed: how often it is asked depends on time.
	return pickAny(p.urls())
}

func pickAny[T any](from []T) T { return from[rand.IntN(len(from))] }

func (p *cluster) urls() (all []string) {
	for _, s := range p.Servers {
		all = append(all, s.URL)
	}
	return all
}

func (p *cluster) processes() (all []*product.Process) {
	for _, s := range p.Servers {
		all = append(all, s.Process)
	}
	for _, a := range p.Agents {
		all = append(all, a.Process)
	}
	return all
}

func (p *cluster) links() (all []*netlab.Link) {
	for _, s := range p.Servers {
		all = append(all, s.Host.Uplink)
	}
	for _, a := range p.Agents {
		all = append(all, a.Host.Uplink)
	}
	return append(all, p.Links...)
}

// Log is all that the processes have logged.
func (p *cluster) Log() string {
	var all strings.Builder
	for _, x := range p.processes() {
		if b := x.Log(); strings.Contains(b, "panic:") || strings.Contains(b, "DATA RACE") {
			all.WriteString(b)
		}
	}
	return all.String()
}

// harm breaks one thing more, or heals one.
func (p *cluster) harm(c *chaos) {
	if n := len(p.open); n >= 4 || n > 0 && c.rng.IntN(3) == 0 {
		p.heals(pick(c, slices.Sorted(maps.Keys(p.open))))
		c.pause(500)
		return
	}
	switch c.rng.IntN(11) {
	case 10:
		if !p.unknown {
			p.exodus(c)
		}
		return
	case 0, 1:
		p.harmSQL(c)
	case 2, 3, 4:
		p.harmLink(c, pick(c, p.links()))
	case 5, 6, 7:
		p.harmProcess(c, pick(c, p.processes()))
	default: // the one that has most to do
		var busy []*product.Process
		for _, s := range p.Servers {
			if p.open[s.Name] == nil && s.Metric("l2gw_lease_leading") == 1 {
				busy = append(busy, s.Process)
			}
		}
		for _, a := range p.Agents {
			if p.open[a.Name] == nil && a.Monitor.Metric(`l2gw_database_granted{database="db0"}`) == 1 {
				busy = append(busy, a.Process)
			}
		}
		if len(busy) > 0 {
			p.harmProcess(c, pick(c, busy))
		}
	}
	if c.rng.IntN(4) == 0 {
		c.pause(8000)
	} else {
		c.pause(800)
	}
}

// breaks notes a fault, and how it is healed.
func (p *cluster) breaks(what, kind string, heal func()) {
	p.c.Logf("%s: %s", what, kind)
	p.open[what] = heal
}

func (p *cluster) heals(what string) {
	heal, ok := p.open[what]
	if !ok {
		return
	}
	p.c.Logf("%s is healed", what)
	delete(p.open, what)
	heal()
}

func (p *cluster) harmProcess(c *chaos, x *product.Process) {
	kind := c.rng.IntN(5)
	if p.open[x.Name] != nil || !x.Running() {
		return
	}
	role, _, _ := strings.Cut(x.Name, "-")
	switch kind {
	case 0:
		c.fault(role + " SIGKILL")
		x.Kill()
		p.breaks(x.Name, "killed", x.Spawn)
	case 1:
		c.fault(role + " SIGTERM")
		x.Stop()
		p.breaks(x.Name, "stopped", x.Spawn)
	case 2:
		c.fault(role + " SIGKILL and start")
		c.Logf("%s: killed, and starts again", x.Name)
		x.Kill()
		x.Spawn()
	default:
		c.fault(role + " SIGSTOP")
		x.Pause()
		p.breaks(x.Name, "stands still", x.Continue)
	}
}

func (p *cluster) harmLink(c *chaos, l *netlab.Link) {
	kind := c.rng.IntN(4)
	if p.open[l.Name] != nil {
		return
	}
	switch kind {
	case 0:
		c.fault("link cut")
		l.Cut()
		p.breaks(l.Name, "cut", l.Heal)
	case 1, 2:
		c.fault("link cut one way")
		l.CutFrom(kind - 1)
		p.breaks(l.Name, fmt.Sprintf("cut from end %d", kind-1), l.Heal)
	default:
		c.fault("link slow")
		l.Slow(10_000)
		p.breaks(l.Name, "slow", l.Heal)
	}
}

func (p *cluster) harmSQL(c *chaos) {
	kind := c.rng.IntN(3)
	if p.open["SQL"] != nil {
		return
	}
	switch kind {
	case 0:
		c.fault("SQL SIGKILL")
		p.sql.Kill()
		p.breaks("SQL", "killed", func() { p.sql.Run(c) })
	case 1:
		c.fault("SQL SIGKILL and start")
		c.Log("SQL: killed, and starts again")
		p.sql.Kill()
		p.sql.Run(c)
	default:
		c.fault("SQL SIGSTOP")
		p.sql.Hang(c)
		p.breaks("SQL", "stands still", p.sql.Resume)
	}
}

// heal heals all. What ended by itself is started again, as an init system does.
func (p *cluster) heal(*chaos) {
	p.heals("SQL")
	for _, what := range slices.Sorted(maps.Keys(p.open)) {
		p.heals(what)
	}
	p.revive()
}

func (p *cluster) revive() {
	for _, x := range p.processes() {
		if !x.Running() {
			p.c.Logf("%s ended by itself", x.Name)
			p.ended++
			x.Spawn()
		}
	}
}

// wait lets it converge; an operator releases what is held.
func (p *cluster) wait(c *chaos) {
	p.revive()
	if p.held {
		p.release += c.releaseHeld()
		time.Sleep(200 * time.Millisecond)
	}
	time.Sleep(50 * time.Millisecond)
}

// blindness is a time in which no server knows the inventory, while others
// break, too. Unknown is not gone: no row of ours may go away. All is as it
// should be when it begins.
func (p *cluster) blindness(c *chaos) {
	c.Log("no server knows the inventory")
	p.blind++
	p.unknown = true
	before := make([]contents, len(c.servers))
	for i, s := range c.servers {
		before[i] = read(c, s)
		c.witness[i].keep(true)
	}
	// The leader last, so that nobody takes over who knows the inventory still, but not
	// which MACs are held that no switch reports any more.
	leader, others := p.Leader()
	for _, s := range append(others, leader) {
		s.Stop()
		// It has none yet if it was told of the inventory only a moment ago.
		if err := os.Remove(filepath.Join(s.State, "inventory.last-good.yaml")); err != nil && !errors.Is(err, fs.ErrNotExist) {
			c.Fatal(err)
		}
	}
	if c.rng.IntN(2) == 0 {
		p.WriteInventory("networks: [{id: 1")
	} else if err := os.Remove(p.Inventory); err != nil {
		c.Fatal(err)
	}
	for _, s := range p.Servers {
		s.Launch()
	}
	p.Leader()
	for range 2 + c.rng.IntN(4) {
		switch c.rng.IntN(3) {
		case 0:
			i := c.rng.IntN(len(c.servers))
			c.fault("switch SIGKILL")
			c.Logf("db%d is killed and starts again", i)
			c.servers[i].Kill()
			c.servers[i].Run()
		default:
			p.harm(c)
		}
		c.pause(1500)
	}
	p.heal(c)
	p.Leader()
	for i := range c.servers {
		p.Writer(fmt.Sprintf("db%d", i))
	}
	for i, s := range c.servers {
		c.witness[i].keep(false)
		for _, gone := range missing(before[i], read(c, s)) {
			c.Errorf("db%d lost %s while the inventory was unknown", i, gone)
		}
	}
	p.unknown = false
	p.WriteInventory(c.world.inventory.yaml())
}

// missing are the rows that were there and are not.
func missing(before, now contents) (gone []string) {
	lacks := func(kind string, was, is map[string]bool) {
		for key := range was {
			if !is[key] {
				gone = append(gone, kind+" "+key)
			}
		}
	}
	lacks("logical switch", keys(before.LogicalSwitches), keys(now.LogicalSwitches))
	lacks("binding", keys(before.Bindings), keys(now.Bindings))
	lacks("unicast row", keys(before.Unicast), keys(now.Unicast))
	lacks("flood row", keys(before.Flood), keys(now.Flood))
	return gone
}

func keys[V any](m map[string]V) map[string]bool {
	set := map[string]bool{}
	for k := range m {
		set[k] = true
	}
	return set
}

// report prints what the story was, and what came of it.
func (p *cluster) report() {
	var faults []string
	total := 0
	for _, kind := range slices.Sorted(maps.Keys(p.c.faults)) {
		faults = append(faults, fmt.Sprintf("%d × %s", p.c.faults[kind], kind))
		total += p.c.faults[kind]
	}
	p.c.Logf("%d faults: %s", total, strings.Join(faults, ", "))
	p.c.Logf("%d times no server knew the inventory, %d removals were released, %d requests were acknowledged and %d went without an answer, %d processes ended by themselves",
		p.blind, p.release, p.c.acknowledged, p.c.unanswered, p.ended)
	for i, h := range p.history {
		h.read()
		for _, v := range h.violations {
			p.c.Errorf("db%d: %s", i, v)
		}
		p.c.Logf("db%d: the lock had %d owners one after another; %s; %d violations", i, h.owners, h.commitsBy(p), len(h.violations))
		if h.owners == 0 {
			p.c.Error("the lock's history is empty")
		}
	}
	if took := slices.Sorted(slices.Values(p.took)); len(took) > 0 {
		at := func(share int) time.Duration { return took[(len(took)-1)*share/100].Round(10 * time.Millisecond) }
		late := len(took) - len(slices.DeleteFunc(slices.Clone(took), func(d time.Duration) bool { return d > clusterTarget }))
		p.c.Logf("converged after the last fault: median %v, 90 %% %v, worst %v; %d of %d later than %v", at(50), at(90), at(100), late, len(took), clusterTarget)
	}
}
