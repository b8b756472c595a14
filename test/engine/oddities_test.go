package engine

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"l2gw/test/ovsdbd"
	"l2gw/test/product"
)

// editSchema is Debian's hardware_vtep schema with changes.
func editSchema(t testing.TB, edit func(tables map[string]any)) []byte {
	t.Helper()
	b, err := os.ReadFile(ovsdbd.VTEPSchema)
	if err != nil {
		t.Fatal(err)
	}
	var schema map[string]any
	if err := json.Unmarshal(b, &schema); err != nil {
		t.Fatal(err)
	}
	delete(schema, "cksum")
	edit(schema["tables"].(map[string]any))
	if b, err = json.Marshal(schema); err != nil {
		t.Fatal(err)
	}
	return b
}

// oldSchema lacks what came after version 1.3.0.
func oldSchema(t testing.TB) []byte {
	return editSchema(t, func(tables map[string]any) {
		delete(tables, "ACL")
		delete(tables, "ACL_entry")
		for _, x := range tables {
			columns := x.(map[string]any)["columns"].(map[string]any)
			for _, c := range []string{"replication_mode", "other_config", "acl_bindings", "acl_binding", "LR_fault_status"} {
				delete(columns, c)
			}
		}
	})
}

func TestAnOldSwitchGetsBindingsAndUnicastRowsAndSaysWhatItLacks(t *testing.T) {
	s := startSwitch(t, ovsdbd.Options{Schema: oldSchema(t)})
	fill(s)
	watch(t, s)
	p := product.Start(t, inventoryFile, "tor:"+s.Endpoint())
	gw := p.CreateGateway("gw", product.Device{Name: "ps1", Interfaces: []product.Interface{{Name: "eth1"}}})
	c := p.Connect(gw, netA, "100")
	waitReason(t, p, c, "DEGRADED", "broadcast reaches one of 2")
	got, want := read(t, s), wantA()
	if !slices.Equal(got.Unicast[netA+" fa:16:3e:00:00:01"], want.Unicast[netA+" fa:16:3e:00:00:01"]) || got.Bindings["ps1/eth1/100"] != netA {
		t.Errorf("the switch holds %+v", got)
	}

	// An operator puts a service node there by hand: it is kept, and all is well.
	ls := logicalSwitch(t, s, netA)
	s.Transact("hardware_vtep", `
		{"op":"insert","table":"Physical_Locator","uuid-name":"l","row":{"encapsulation_type":"vxlan_over_ipv4","dst_ip":"10.77.0.200"}},
		{"op":"insert","table":"Physical_Locator_Set","uuid-name":"s","row":{"locators":["named-uuid","l"]}},
		{"op":"delete","table":"Mcast_Macs_Remote","where":[["logical_switch","==",["uuid","`+ls+`"]]]},
		{"op":"insert","table":"Mcast_Macs_Remote","row":{"MAC":"unknown-dst","logical_switch":["uuid","`+ls+`"],"locator_set":["named-uuid","s"],"ipaddr":""}}`)
	p.WaitStatus(c, "ACTIVE")
	if got := read(t, s).Flood[netA+" unknown-dst"]; !slices.Equal(got, []string{"10.77.0.200"}) {
		t.Errorf("the service node was not kept: %v", got)
	}
}

func TestAForeignBindingInTheWayIsAnErrorOfThatBindingAlone(t *testing.T) {
	s := twoSwitches(t)
	s.Transact("hardware_vtep", `
		{"op":"insert","table":"Logical_Switch","uuid-name":"ls","row":{"name":"theirs","tunnel_key":7000}},
		{"op":"mutate","table":"Physical_Port","where":[["name","==","eth2"]],"mutations":[["vlan_bindings","insert",["map",[[100,["named-uuid","ls"]]]]]]}`)
	watch(t, s)
	p := product.Start(t, inventoryFile, "tor:"+s.Endpoint())
	gw := p.CreateGateway("gw", product.Device{Name: "ps1", Interfaces: []product.Interface{{Name: "eth1"}, {Name: "eth2"}}})
	c := p.Connect(gw, netA, "100")
	_, b := connectB(t, p)
	waitReason(t, p, c, "DEGRADED", "1 of 2", "theirs")
	p.WaitStatus(b, "ACTIVE")
	want := withB(wantA())
	want.LogicalSwitches["theirs"] = "7000//"
	want.Bindings["ps1/eth2/100"], want.Bindings["ps2/eth2/100"] = "theirs", "theirs"
	waitFor(t, s, want)

	// The other one gives the VLAN back: ours is made without anybody's doing.
	s.Transact("hardware_vtep", `{"op":"update","table":"Physical_Port","where":[["name","==","eth2"]],"row":{"vlan_bindings":["map",[]]}}`)
	p.WaitStatus(c, "ACTIVE")
	if got := read(t, s).Bindings["ps1/eth2/100"]; got != netA {
		t.Errorf("ps1/eth2/100 is bound to %q", got)
	}
}

func TestAForeignLogicalSwitchWithOurVNIIsAnErrorThatNamesIt(t *testing.T) {
	s := twoSwitches(t)
	s.Transact("hardware_vtep", `{"op":"insert","table":"Logical_Switch","row":{"name":"theirs","tunnel_key":5001}}`)
	watch(t, s)
	p := product.Start(t, inventoryFile, "tor:"+s.Endpoint())
	gw := p.CreateGateway("gw", product.Device{Name: "ps1", Interfaces: []product.Interface{{Name: "eth1"}}})
	c := p.Connect(gw, netA, "100")
	waitReason(t, p, c, "ERROR", "theirs", "5001")
	s.Transact("hardware_vtep", `{"op":"delete","table":"Logical_Switch","where":[["name","==","theirs"]]}`)
	p.WaitStatus(c, "ACTIVE")
	waitFor(t, s, wantA())
}

func TestEveryCommitOnTheWayKeepsTheOrder(t *testing.T) {
	s := twoSwitches(t)
	watch(t, s)
	p := product.Start(t, inventoryFile, "tor:"+s.Endpoint())
	_, a := connectA(t, p)
	connectB(t, p)
	// Hosts come by the thousand, move to another node, get fewer; the VNI changes; all goes.
	many := manyHosts(3_000)
	p.WriteInventory(many)
	waitRows(t, s, 3_000)
	p.WriteInventory(strings.NewReplacer("host: compute-1,", "host: compute-2,").Replace(many))
	waitRows(t, s, 3_000)
	p.WriteInventory(strings.NewReplacer("vni: 5001", "vni: 5002", "vni: 5002", "vni: 5001").Replace(inventoryFile))
	// The agent holds the removal of so much until an operator lets it go.
	waitHeld(t, p, "ps1")
	command(t, p, "release", "ps1")
	want := withB(wantA())
	want.LogicalSwitches[netA], want.LogicalSwitches[netB] = "5002/source_node/net-a", "5001/source_node/net-b"
	waitFor(t, s, want)
	p.Disconnect(a)
	product.Eventually(t, "net-a is gone", func() error {
		if got := read(t, s); got.LogicalSwitches[netA] != "" {
			return errStill
		}
		return nil
	})
}

// waitHeld waits until removals of a device's rows are held.
func waitHeld(t testing.TB, p *product.Product, device string) {
	t.Helper()
	p.WaitDevice(device, "has removals that are held", func(d product.Object) error {
		if held, _ := d["held"].([]any); len(held) == 0 {
			return fmt.Errorf("%v", d)
		}
		return nil
	})
}

type constError string

func (e constError) Error() string { return string(e) }

const errStill = constError("it is still there")
