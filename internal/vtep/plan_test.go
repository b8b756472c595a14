package vtep

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"l2gw"
	"l2gw/ovsdb"
)

const (
	own1 = "10.0.0.1" // the tunnel IPs of the switches
	own2 = "10.0.0.2"
	cn1  = "10.0.1.1" // compute nodes
	cn2  = "10.0.1.2"
	cn3  = "10.0.1.3"
)

func twoSwitches(t testing.TB, schema *ovsdb.Schema) *model {
	m := newModel(schema)
	m.addSwitch("ps1", own1, "eth1", "eth2")
	m.addSwitch("ps2", own2, "eth1", "eth2")
	return m
}

func expect(t *testing.T, what string, want, got any) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

var all = Scope{All: true}

func TestAnEmptyDatabaseGetsJustTheRowsOfTheDesign(t *testing.T) {
	m := twoSwitches(t, vtepSchema(t))
	in := newIntent(withVTEPs(segment("net-a", 5001, host(1, cn1, "10.5.0.1"), host(2, cn2), host(3, own2)), cn3))
	in.Options.Lock = "l2gw"
	in.bind("ps1", "eth1", 100, "net-a")
	in.bind("ps2", "eth1", 0, "net-a")

	first := MakePlan(m.snap, Probe(m.snap.Schema, m.snap), in, all, nil)
	if len(first.Txns) != 1 || first.More {
		t.Errorf("%d transactions, more %v; want all in one", len(first.Txns), first.More)
	}
	expect(t, "verdict before", Verdict{Status: l2gw.StatusBuild}, first.Networks["net-a"])
	plan := m.settle(t, in, all)
	expect(t, "contents", []string{
		"net-a: bound ps1/eth1/100",
		"net-a: bound ps2/eth1/0",
		"net-a: fa:16:3e:00:00:01 at 10.0.1.1 ip 10.5.0.1",
		"net-a: fa:16:3e:00:00:02 at 10.0.1.2 ip ",
		`net-a: switch "name of net-a" key 5001 mode source_node`,
		"net-a: unknown-dst at {10.0.1.1 10.0.1.2 10.0.1.3}",
	}, m.contents())
	expect(t, "verdict after", Verdict{Status: l2gw.StatusActive}, plan.Networks["net-a"])
	for k, v := range plan.Bindings {
		expect(t, place(k), Verdict{Status: l2gw.StatusActive}, v)
	}
	if !plan.InSync() || len(plan.Bindings) != 2 {
		t.Errorf("the last plan differs: %v", plan.Differences)
	}
}

func TestWhatIsNoLongerBoundIsRemovedOnceTheSwitchHasWithdrawnItsRows(t *testing.T) {
	m := twoSwitches(t, vtepSchema(t))
	in := newIntent(segment("net-a", 5001, host(1, cn1), host(2, cn2)), segment("net-b", 5002, host(1, cn1)))
	in.bind("ps1", "eth1", 100, "net-a")
	in.bind("ps1", "eth1", 200, "net-b")
	m.settle(t, in, all)
	ls := m.snap.Table(tableLogicalSwitch).Lookup(byName, "net-a").First()
	local := m.addUcast(tableUcastLocal, ls.UUID(), "02:00:00:00:00:01", own1, "")

	in.unbind("ps1", "eth1", 100)
	plan := m.settle(t, in, all)
	expect(t, "contents while the switch has a local row", []string{
		`net-a: switch "name of net-a" key 5001 mode source_node`,
		"net-b: bound ps1/eth1/200",
		"net-b: fa:16:3e:00:00:01 at 10.0.1.1 ip ",
		`net-b: switch "name of net-b" key 5002 mode source_node`,
		"net-b: unknown-dst at {10.0.1.1}",
	}, m.contents())
	expect(t, "waiting", []string{"net-a"}, plan.Waiting)
	expect(t, "verdict", Verdict{l2gw.StatusBuild, "its removal waits until the switch withdraws 1 rows of its own"}, plan.Networks["net-a"])
	expect(t, "gone", l2gw.Ownership{
		Networks: map[string]l2gw.VNI{},
		Bindings: map[l2gw.BindingKey]string{{Device: "ps1", Interface: "eth1", VLAN: 100}: "net-a"},
	}, plan.Gone)

	m.del(tableUcastLocal, local)
	plan = m.settle(t, in, all)
	if got := strings.Join(m.contents(), "\n"); strings.Contains(got, "net-a") {
		t.Errorf("something is left:\n%s", got)
	}
	expect(t, "gone", map[string]l2gw.VNI{"net-a": 5001}, plan.Gone.Networks)
}

func TestAForeignBindingIsNotTakenAndAllElseGoesOn(t *testing.T) {
	m := twoSwitches(t, vtepSchema(t))
	m.bindVLAN("ps1", "eth1", 100, m.addLS("theirs", 9))
	in := newIntent(segment("net-a", 5001, host(1, cn1)))
	in.bind("ps1", "eth1", 100, "net-a")
	in.bind("ps1", "eth2", 100, "net-a")
	in.bind("ps1", "eth9", 100, "net-a")
	in.bind("ps9", "eth1", 100, "net-a")
	plan := m.settle(t, in, all)
	expect(t, "contents", []string{
		"net-a: bound ps1/eth2/100",
		"net-a: fa:16:3e:00:00:01 at 10.0.1.1 ip ",
		`net-a: switch "name of net-a" key 5001 mode source_node`,
		"net-a: unknown-dst at {10.0.1.1}",
		"theirs: bound ps1/eth1/100",
		`theirs: switch "" key 9 mode `,
	}, m.contents())
	expect(t, "verdicts", map[l2gw.BindingKey]Verdict{
		{Device: "ps1", Interface: "eth1", VLAN: 100}: {l2gw.StatusError, "VLAN 100 of ps1/eth1 is bound to logical switch theirs, which is not ours"},
		{Device: "ps1", Interface: "eth2", VLAN: 100}: {Status: l2gw.StatusActive},
		{Device: "ps1", Interface: "eth9", VLAN: 100}: {l2gw.StatusDown, "port eth9 is not on switch ps1"},
		{Device: "ps9", Interface: "eth1", VLAN: 100}: {l2gw.StatusPending, "switch ps9 is not in this database"},
	}, plan.Bindings)
}

func TestAForeignLogicalSwitchWithOurVNIStopsThatNetworkOnly(t *testing.T) {
	m := twoSwitches(t, vtepSchema(t))
	m.addLS("theirs", 5001)
	in := newIntent(segment("net-a", 5001, host(1, cn1)), segment("net-b", 5002, host(1, cn1)))
	in.bind("ps1", "eth1", 100, "net-a")
	in.bind("ps1", "eth1", 200, "net-b")
	plan := m.settle(t, in, all)
	why := Verdict{l2gw.StatusError, "VNI 5001 is used by logical switch theirs, which is not ours"}
	expect(t, "net-a", why, plan.Networks["net-a"])
	expect(t, "its binding", why, plan.Bindings[l2gw.BindingKey{Device: "ps1", Interface: "eth1", VLAN: 100}])
	expect(t, "net-b", l2gw.StatusActive, plan.Networks["net-b"].Status)
}

func TestTwoNetworksWithOneVNIAreNeverBothWritten(t *testing.T) {
	m := twoSwitches(t, vtepSchema(t))
	in := newIntent(segment("net-a", 5001), segment("net-b", 5001))
	in.bind("ps1", "eth1", 200, "net-b")
	m.settle(t, in, all)
	in.bind("ps1", "eth1", 100, "net-a")
	plan := m.settle(t, in, all)
	expect(t, "the one that stands", l2gw.StatusActive, plan.Networks["net-b"].Status)
	expect(t, "the other", Verdict{l2gw.StatusError, "VNI 5001 is also that of network name of net-b"}, plan.Networks["net-a"])

	fresh := twoSwitches(t, vtepSchema(t))
	plan = fresh.settle(t, in, all)
	expect(t, "the first", l2gw.StatusActive, plan.Networks["net-a"].Status)
	expect(t, "the second", Verdict{l2gw.StatusError, "VNI 5001 is also that of network name of net-a"}, plan.Networks["net-b"])
}

func TestAnotherVNIRebuildsTheLogicalSwitch(t *testing.T) {
	m := twoSwitches(t, vtepSchema(t))
	in := newIntent(segment("net-a", 5001, host(1, cn1)), segment("net-b", 5002, host(1, cn1)))
	in.bind("ps1", "eth1", 100, "net-a")
	in.bind("ps1", "eth1", 200, "net-b")
	m.settle(t, in, all)
	old := m.snap.Table(tableLogicalSwitch).Lookup(byName, "net-a").First()
	// They change places, so that each waits for the other to give its VNI up.
	in.Segments["net-a"] = segment("net-a", 5002, host(1, cn1))
	in.Segments["net-b"] = segment("net-b", 5001, host(1, cn1))
	first := MakePlan(m.snap, Probe(m.snap.Schema, m.snap), in, all, nil)
	expect(t, "verdict", Verdict{l2gw.StatusBuild, "the VNI is 5002 and was 5001: the logical switch is being made anew"}, first.Networks["net-a"])
	plan := m.settle(t, in, all)
	expect(t, "afterwards", l2gw.StatusActive, plan.Networks["net-a"].Status)
	now := m.snap.Table(tableLogicalSwitch).Lookup(byName, "net-a").First()
	if key, _ := now.Int("tunnel_key"); key != 5002 || now.UUID() == old.UUID() {
		t.Errorf("the logical switch has key %d, same row: %v; want another row with 5002", key, now.UUID() == old.UUID())
	}
}

func TestAMovedMACIsOneUpdateAndTheFloodSetFollows(t *testing.T) {
	m := twoSwitches(t, vtepSchema(t))
	in := newIntent(segment("net-a", 5001, host(1, cn1, "10.5.0.1")))
	in.bind("ps1", "eth1", 100, "net-a")
	m.settle(t, in, all)
	row := m.snap.Table(tableUcastRemote).Lookup(byMAC, m.snap.Table(tableLogicalSwitch).Lookup(byName, "net-a").First().UUID(), mac(1).String()).First()
	in.Segments["net-a"] = segment("net-a", 5001, host(1, cn2, "10.5.0.9"))
	m.settle(t, in, Scope{Networks: map[string]bool{"net-a": true}})
	if m.snap.Table(tableUcastRemote).Get(row.UUID()) == nil {
		t.Error("the row was replaced, want it updated in place")
	}
	expect(t, "contents", []string{
		"net-a: bound ps1/eth1/100",
		"net-a: fa:16:3e:00:00:01 at 10.0.1.2 ip 10.5.0.9",
		`net-a: switch "name of net-a" key 5001 mode source_node`,
		"net-a: unknown-dst at {10.0.1.2}",
	}, m.contents())
}

func TestAnUnknownNetworkKeepsItsRowsButNotADeletedBinding(t *testing.T) {
	m := twoSwitches(t, vtepSchema(t))
	in := newIntent(segment("net-a", 5001, host(1, cn1)))
	in.bind("ps1", "eth1", 100, "net-a")
	in.bind("ps1", "eth2", 100, "net-a")
	m.settle(t, in, all)
	delete(in.Segments, "net-a")
	in.unbind("ps1", "eth2", 100)
	in.bind("ps1", "eth1", 300, "net-x")
	plan := m.settle(t, in, all)
	expect(t, "contents", []string{
		"net-a: bound ps1/eth1/100",
		"net-a: fa:16:3e:00:00:01 at 10.0.1.1 ip ",
		`net-a: switch "name of net-a" key 5001 mode source_node`,
		"net-a: unknown-dst at {10.0.1.1}",
	}, m.contents())
	expect(t, "the binding of the unknown network", l2gw.StatusActive, plan.Bindings[l2gw.BindingKey{Device: "ps1", Interface: "eth1", VLAN: 100}].Status)
	expect(t, "the binding of one never known", Verdict{l2gw.StatusBuild, "network net-x is not known yet"},
		plan.Bindings[l2gw.BindingKey{Device: "ps1", Interface: "eth1", VLAN: 300}])
}

func TestASwitchThatCannotReplicateUsesServiceNodes(t *testing.T) {
	seg := segment("net-a", 5001, host(1, cn1), host(2, cn2))
	flood := func(m *model) string {
		for _, line := range m.contents() {
			if strings.Contains(line, unknownDst) {
				return line
			}
		}
		return ""
	}
	t.Run("none at all", func(t *testing.T) {
		m := twoSwitches(t, oldSchema(t))
		in := newIntent(seg)
		in.bind("ps1", "eth1", 100, "net-a")
		plan := m.settle(t, in, all)
		expect(t, "set", "net-a: unknown-dst at {10.0.1.1 10.0.1.2}", flood(m))
		expect(t, "verdict", Verdict{l2gw.StatusDegraded, "broadcast reaches one of 2: the switch cannot replicate by source node and has no service node"}, plan.Networks["net-a"])
		in.Segments["net-a"] = segment("net-a", 5001, host(1, cn3), host(2, cn3))
		plan = m.settle(t, in, all)
		expect(t, "our own old set is not an operator's", "net-a: unknown-dst at {10.0.1.3}", flood(m))
		expect(t, "verdict with one VTEP", l2gw.StatusActive, plan.Networks["net-a"].Status)
		in.Segments["net-a"] = segment("net-a", 5001)
		m.settle(t, in, all)
		expect(t, "no VTEP, no set", "", flood(m))
	})
	t.Run("configured", func(t *testing.T) {
		m := twoSwitches(t, oldSchema(t))
		in := newIntent(seg)
		in.Options.ServiceNodes = append(in.Options.ServiceNodes, addr("10.0.9.9"))
		in.bind("ps1", "eth1", 100, "net-a")
		plan := m.settle(t, in, all)
		expect(t, "set", "net-a: unknown-dst at {10.0.9.9}", flood(m))
		expect(t, "verdict", l2gw.StatusActive, plan.Networks["net-a"].Status)
	})
	t.Run("an operator's", func(t *testing.T) {
		m := twoSwitches(t, oldSchema(t))
		ls := m.addLS("net-a", 5001)
		m.addFlood(ls, unknownDst, m.locator("10.0.8.8", 0))
		in := newIntent(seg)
		in.bind("ps1", "eth1", 100, "net-a")
		plan := m.settle(t, in, all)
		expect(t, "set", "net-a: unknown-dst at {10.0.8.8}", flood(m))
		expect(t, "verdict", l2gw.StatusActive, plan.Networks["net-a"].Status)
	})
	t.Run("a new switch that reports that it cannot", func(t *testing.T) {
		m := twoSwitches(t, vtepSchema(t))
		m.put(tablePhysicalSwitch, m.device("ps1").UUID(), ovsdb.Cell{Column: "switch_fault_status", Value: ovsdb.NewSet(faultSourceReplication)})
		in := newIntent(seg)
		in.bind("ps1", "eth1", 100, "net-a")
		plan := m.settle(t, in, all)
		expect(t, "verdict", l2gw.StatusDegraded, plan.Networks["net-a"].Status)
		expect(t, "binding", l2gw.StatusActive, plan.Bindings[l2gw.BindingKey{Device: "ps1", Interface: "eth1", VLAN: 100}].Status)
		if got := strings.Join(m.contents(), "\n"); !strings.Contains(got, "mode service_node") {
			t.Errorf("the mode is not service_node:\n%s", got)
		}
	})
}

func TestAFullTableKeepsFloodAndBindingsAndSaysWhatIsMissing(t *testing.T) {
	m := twoSwitches(t, vtepSchema(t))
	m.addUcast(tableUcastRemote, m.addLS("theirs", 1), "02:00:00:00:00:01", cn3, "")
	in := newIntent(segment("net-a", 5001, host(1, cn1), host(2, cn2), host(3, cn1)))
	in.Options.MaxMACs = 3
	in.bind("ps1", "eth1", 100, "net-a")
	plan := m.settle(t, in, all)
	expect(t, "verdict", Verdict{l2gw.StatusDegraded, "2 of 3 hosts are written, since at most 3 MACs fit; what is sent to the others is flooded"}, plan.Networks["net-a"])
	expect(t, "rows", 3, m.snap.Table(tableUcastRemote).Len())

	// Once a host goes, another gets its place.
	in.Segments["net-a"] = withVTEPs(segment("net-a", 5001, host(2, cn2), host(3, cn1)))
	plan = m.settle(t, in, Scope{MACs: map[string]map[l2gw.MAC]bool{"net-a": {mac(1): true}}})
	expect(t, "verdict", l2gw.StatusActive, plan.Networks["net-a"].Status)

	m.put(tablePhysicalSwitch, m.device("ps1").UUID(), ovsdb.Cell{Column: "switch_fault_status", Value: ovsdb.NewSet(faultMACTable)})
	in.Options.MaxMACs = 0
	in.Segments["net-a"] = segment("net-a", 5001, host(2, cn2), host(3, cn1), host(4, cn1))
	plan = m.settle(t, in, all)
	expect(t, "verdict", Verdict{l2gw.StatusDegraded, "2 of 3 hosts are written, since the MAC table of ps1 is full; what is sent to the others is flooded"}, plan.Networks["net-a"])
}

func TestVTEPsOfIPv6AreRefusedWithTheReason(t *testing.T) {
	m := twoSwitches(t, vtepSchema(t))
	in := newIntent(segment("net-a", 5001, host(1, cn1), host(2, "2001:db8::1")))
	in.bind("ps1", "eth1", 100, "net-a")
	plan := m.settle(t, in, all)
	expect(t, "verdict", Verdict{l2gw.StatusDegraded, "VTEP 2001:db8::1 is IPv6, and hardware_vtep knows VXLAN over IPv4 only"}, plan.Networks["net-a"])
	expect(t, "rows", 1, m.snap.Table(tableUcastRemote).Len())
}

func TestFaultsOfSwitchAndPortAreSaidAndTheBindingIsWritten(t *testing.T) {
	m := twoSwitches(t, vtepSchema(t))
	m.put(tablePhysicalSwitch, m.device("ps1").UUID(), ovsdb.Cell{Column: "switch_fault_status", Value: ovsdb.NewSet("tunnel_exhaustion")})
	m.put(tablePhysicalPort, m.port("ps1", "eth1").UUID(), ovsdb.Cell{Column: "port_fault_status", Value: ovsdb.NewSet("invalid_vlan_map")})
	in := newIntent(segment("net-a", 5001))
	in.bind("ps1", "eth1", 100, "net-a")
	plan := m.settle(t, in, all)
	expect(t, "verdict", Verdict{l2gw.StatusDown, "switch ps1 reports tunnel_exhaustion; port ps1/eth1 reports invalid_vlan_map"},
		plan.Bindings[l2gw.BindingKey{Device: "ps1", Interface: "eth1", VLAN: 100}])
	expect(t, "contents", []string{"net-a: bound ps1/eth1/100", `net-a: switch "name of net-a" key 5001 mode source_node`}, m.contents())
}

func TestABlockedHostIsLeftOutAlone(t *testing.T) {
	m := twoSwitches(t, vtepSchema(t))
	in := newIntent(segment("net-a", 5001, host(1, cn1), host(2, cn1)))
	in.bind("ps1", "eth1", 100, "net-a")
	blocked := func(s Subject) bool { return s.MAC == mac(1) }
	for _, txn := range MakePlan(m.snap, Probe(m.snap.Schema, m.snap), in, all, blocked).Txns {
		if err := m.apply(txn); err != nil {
			t.Fatal(err)
		}
	}
	plan := MakePlan(m.snap, Probe(m.snap.Schema, m.snap), in, all, blocked)
	if len(plan.Txns) != 0 || plan.More || len(plan.Differences) != 1 {
		t.Errorf("%d transactions, more %v, differences %v; want only the blocked row to differ", len(plan.Txns), plan.More, plan.Differences)
	}
	expect(t, "verdict", Verdict{l2gw.StatusDegraded, "1 rows that the switch refused are left out for now"}, plan.Networks["net-a"])
}

func TestLargeNetworksComeInBoundedTransactions(t *testing.T) {
	m := twoSwitches(t, vtepSchema(t))
	var hosts []l2gw.Host
	for i := range 60 {
		hosts = append(hosts, l2gw.Host{MAC: mac(i), VTEP: addr(cn1).Next()})
		if i%2 == 0 {
			hosts[i].VTEP = addr("10.0.2." + string(rune('1'+i%9)))
		}
	}
	in := newIntent(segment("net-a", 5001, hosts...))
	in.Options.MaxOps, in.Options.Lock = 8, "l2gw"
	in.bind("ps1", "eth1", 100, "net-a")
	m.settle(t, in, all)
	expect(t, "rows", 60, m.snap.Table(tableUcastRemote).Len())
	in.unbind("ps1", "eth1", 100)
	m.settle(t, in, all)
	expect(t, "contents", []string(nil), m.contents())
	expect(t, "locators", 0, m.snap.Table(tableLocator).Len())
}

func TestASchemaOfAnotherKindIsRefused(t *testing.T) {
	s := vtepSchema(t)
	delete(s.Tables, tableLogicalSwitch)
	m := newModel(s)
	in := newIntent(segment("net-a", 5001))
	in.bind("ps1", "eth1", 100, "net-a")
	plan := MakePlan(m.snap, Probe(s, m.snap), in, all, nil)
	expect(t, "status", l2gw.StatusError, plan.Networks["net-a"].Status)
	expect(t, "transactions", 0, len(plan.Txns))
}
