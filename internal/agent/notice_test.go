package agent

import (
	"maps"
	"os"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"l2gw"
	"l2gw/internal/fabric"
	"l2gw/internal/vtep"
	"l2gw/ovsdb"
	"l2gw/test/ovsdbd"
)

// With thousands of networks, a look at all of them for each binding that is
// written would make every write as slow as the first.
func TestAChangeIsLookedAtWhereItIs(t *testing.T) {
	text, err := os.ReadFile(ovsdbd.VTEPSchema)
	if err != nil {
		t.Fatal(err)
	}
	schema, err := ovsdb.ParseSchema(text)
	if err != nil {
		t.Fatal(err)
	}
	empty := vtep.NewSnapshot(schema)
	row := func(table string, u ovsdb.UUID, cells map[string]ovsdb.Value) *ovsdb.Row {
		l := empty.Table(table).Layout()
		values := make([]ovsdb.Value, len(l.Columns))
		for i, c := range l.Columns {
			if values[i] = cells[c.Name]; values[i] == nil {
				values[i] = c.Type.Default()
			}
		}
		return ovsdb.NewRow(l, u, values)
	}
	a, foreign, p := ovsdb.NewUUID(), ovsdb.NewUUID(), ovsdb.NewUUID()
	lsA := row("Logical_Switch", a, map[string]ovsdb.Value{"name": "net-a", "tunnel_key": ovsdb.NewSet(int64(5001))})
	lsForeign := row("Logical_Switch", foreign, map[string]ovsdb.Value{"name": "theirs", "tunnel_key": ovsdb.NewSet(int64(5002))})
	port := func(name string, fault string, bindings map[int64]ovsdb.UUID) *ovsdb.Row {
		faults := ovsdb.Set{}
		if fault != "" {
			faults = ovsdb.NewSet(fault)
		}
		return row("Physical_Port", p, map[string]ovsdb.Value{"name": name, "port_fault_status": faults, "vlan_bindings": ovsdb.MapOf(bindings)})
	}
	edit := empty.Edit()
	edit.Put(lsA)
	edit.Put(lsForeign)
	snap := edit.Commit()

	bound := port("eth1", "", map[int64]ovsdb.UUID{100: a})
	for what, test := range map[string]struct {
		table    string
		old, now *ovsdb.Row
		networks []string
		all      bool
	}{
		"our binding is written":        {"Physical_Port", port("eth1", "", nil), bound, []string{"net-a"}, false},
		"a VLAN that we want is freed":  {"Physical_Port", port("eth1", "", map[int64]ovsdb.UUID{200: foreign}), port("eth1", "", nil), []string{"net-b"}, false},
		"a VLAN that nobody wants":      {"Physical_Port", port("eth1", "", nil), port("eth1", "", map[int64]ovsdb.UUID{7: foreign}), nil, false},
		"a fault":                       {"Physical_Port", bound, port("eth1", "down", map[int64]ovsdb.UUID{100: a}), []string{"net-a", "net-b"}, false},
		"a fault of another port":       {"Physical_Port", port("eth9", "", nil), port("eth9", "down", nil), nil, false},
		"a port comes":                  {"Physical_Port", nil, bound, nil, true},
		"our logical switch goes":       {"Logical_Switch", lsA, nil, []string{"net-a"}, false},
		"a foreign one has a VNI of us": {"Logical_Switch", nil, lsForeign, []string{"net-b"}, false},
		"a switch changes":              {"Physical_Switch", nil, row("Physical_Switch", ovsdb.NewUUID(), nil), nil, true},
	} {
		d := &database{replica: fabric.NewReplica(), told: newTold()}
		d.replica.Owned.Networks["net-a"] = 5001
		d.replica.Segments = map[string]*l2gw.Segment{"net-a": {VNI: 5001}, "net-b": {VNI: 5002}}
		for k, id := range map[l2gw.BindingKey]string{
			{Device: "ps1", Interface: "eth1", VLAN: 100}: "net-a", {Device: "ps1", Interface: "eth1", VLAN: 200}: "net-b",
		} {
			d.replica.Bindings[k] = l2gw.Binding{BindingKey: k, NetworkID: id}
		}
		d.notice(ovsdb.Changes{Old: snap, New: snap, Rows: map[string]map[ovsdb.UUID]ovsdb.Change{test.table: {p: {Old: test.old, New: test.now}}}})
		if d.dirty.all != test.all {
			t.Errorf("%s: all %v", what, d.dirty.all)
		}
		if diff := cmp.Diff(test.networks, slices.Sorted(maps.Keys(d.dirty.networks))); diff != "" {
			t.Errorf("%s (-want +got):\n%s", what, diff)
		}
	}
}
