package vtep

import (
	"testing"

	"l2gw"
	"l2gw/ovsdb"
)

func TestLearnedMACsAreThoseBehindTheDatabasesOwnTunnelIPs(t *testing.T) {
	m := twoSwitches(t, vtepSchema(t))
	in := newIntent(segment("net-a", 5001), segment("net-b", 5002))
	in.bind("ps1", "eth1", 100, "net-a")
	bound, unbound := m.addLS("net-a", 5001), m.addLS("net-b", 5002)
	m.addUcast(tableUcastLocal, bound, "02:00:00:00:00:02", own2, "10.5.0.7")
	m.addUcast(tableUcastLocal, bound, "02:00:00:00:00:02", own1, "")
	m.addUcast(tableUcastLocal, bound, "02:00:00:00:00:01", own1, "")
	m.addUcast(tableUcastLocal, bound, "02:00:00:00:00:03", cn1, "")    // no tunnel IP of this database
	m.addUcast(tableUcastLocal, bound, "01:00:5e:00:00:01", own1, "")   // no unicast address
	m.addUcast(tableUcastLocal, bound, "no MAC", own1, "")              //
	m.addUcast(tableUcastLocal, unbound, "02:00:00:00:00:04", own1, "") // of a network not bound here
	m.addUcast(tableUcastRemote, bound, "02:00:00:00:00:05", own1, "")  // not the switch's own word
	learned := LearnedMACs(m.snap, in)
	want := []l2gw.Learned{
		{NetworkID: "net-a", Host: l2gw.Host{MAC: l2gw.MAC{2, 0, 0, 0, 0, 1}, VTEP: addr(own1)}},
		{NetworkID: "net-a", Host: l2gw.Host{MAC: l2gw.MAC{2, 0, 0, 0, 0, 2}, VTEP: addr(own1)}},
	}
	if len(learned) != len(want) || !learned[0].Equal(want[0].Host) || !learned[1].Equal(want[1].Host) {
		t.Errorf("learned %v, want %v", learned, want)
	}
	if got := LearnedMACs(m.snap, in, "net-b"); len(got) != 0 {
		t.Errorf("learned %v in a network that is not bound", got)
	}
}

func TestDevicesAreReportedWithPortsFaultsAndBindings(t *testing.T) {
	m := twoSwitches(t, vtepSchema(t))
	m.bindVLAN("ps1", "eth1", 100, m.addLS("net-a", 5001))
	m.bindVLAN("ps1", "eth1", 200, m.addLS("theirs", 5002))
	m.put(tablePhysicalPort, m.port("ps1", "eth2").UUID(), ovsdb.Cell{Column: "port_fault_status", Value: ovsdb.NewSet("down")})
	devices, rows := Observe(m.snap, l2gw.Ownership{Networks: map[string]l2gw.VNI{"net-a": 5001}})
	if len(devices) != 2 || rows[tableLogicalSwitch] != 2 {
		t.Fatalf("%d devices and %d logical switches, want 2 and 2", len(devices), rows[tableLogicalSwitch])
	}
	expect(t, "tunnel IPs", own1, devices[0].TunnelIPs[0].String())
	expect(t, "ports", []l2gw.PortState{
		{Name: "eth1", Bindings: []l2gw.PortBinding{{VLAN: 100, LogicalSwitch: "net-a", Ours: true}, {VLAN: 200, LogicalSwitch: "theirs"}}},
		{Name: "eth2", Faults: []string{"down"}},
	}, devices[0].Ports)
}

func TestLossesSayWhatASwitchCannotDo(t *testing.T) {
	old := Probe(oldSchema(t), newModel(oldSchema(t)).snap)
	expect(t, "an old schema", []string{"the switch's schema 1.3.0 has no Logical_Switch.replication_mode: broadcasts need a service node to reach more than one VTEP"}, old.Losses())
	m := twoSwitches(t, vtepSchema(t))
	expect(t, "a full one", []string(nil), Probe(m.snap.Schema, m.snap).Losses())
	m.put(tablePhysicalSwitch, m.device("ps2").UUID(), ovsdb.Cell{Column: "switch_fault_status", Value: ovsdb.NewSet(faultSourceReplication)})
	refusing := Probe(m.snap.Schema, m.snap)
	expect(t, "one that refuses", []string{"ps2 cannot replicate by source node: broadcasts need a service node to reach more than one VTEP"}, refusing.Losses())
	m.put(tablePhysicalSwitch, m.device("ps2").UUID(), ovsdb.Cell{Column: "switch_fault_status", Value: ovsdb.Set{}})
	if Probe(m.snap.Schema, m.snap).Remembering(refusing).SourceNode() {
		t.Error("the refusal is forgotten as soon as it is no longer reported")
	}
}
