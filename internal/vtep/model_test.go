package vtep

import (
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"

	"l2gw"
	"l2gw/ovsdb"
	"l2gw/test/ovsdbd"
)

// model is a switch database as simple as can be: it carries out the few
// operations that plans use, with the rules of the schema that matter to them.
type model struct {
	snap *ovsdb.Snapshot
	// commits are all states that there have been.
	commits []*ovsdb.Snapshot
	made    uint32
	// lose says of the next transactions whether they fail for a reason of the switch's own.
	lose []bool
}

// uuid is a new one, the same ones in each run.
func (m *model) uuid() (u ovsdb.UUID) {
	m.made++
	h := m.made * 2654435761 // so that their order is not that in which they were made
	return ovsdb.UUID{byte(h >> 24), byte(h >> 16), byte(h >> 8), byte(h), 0, 0, 0x40, 0, 0x80, 0, 0, 1, byte(m.made >> 24), byte(m.made >> 16), byte(m.made >> 8), byte(m.made)}
}

func vtepSchema(t testing.TB) *ovsdb.Schema {
	data, err := os.ReadFile(ovsdbd.VTEPSchema)
	if err != nil {
		t.Fatalf("the hardware_vtep schema is needed: run `make deps` (%v)", err)
	}
	s, err := ovsdb.ParseSchema(data)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// oldSchema is what switches have that were built before replication modes.
func oldSchema(t testing.TB) *ovsdb.Schema {
	s := vtepSchema(t)
	s.Version = "1.3.0"
	delete(s.Tables["Logical_Switch"].Columns, "replication_mode")
	for _, table := range s.Tables {
		delete(table.Columns, "other_config")
	}
	delete(s.Tables["Physical_Port"].Columns, "acl_bindings")
	delete(s.Tables["Logical_Router"].Columns, "acl_binding")
	delete(s.Tables, "ACL")
	delete(s.Tables, "ACL_entry")
	return s
}

func newModel(schema *ovsdb.Schema) *model { return &model{snap: NewSnapshot(schema)} }

// put writes a row of the test's own, past all rules.
func (m *model) put(table string, u ovsdb.UUID, cells ...ovsdb.Cell) ovsdb.UUID {
	if u.IsZero() {
		u = m.uuid()
	}
	e := m.snap.Edit()
	e.Put(m.row(m.snap.Table(table).Get(u), table, u, cells))
	m.snap = e.Commit()
	return u
}

func (m *model) del(table string, u ovsdb.UUID) {
	e := m.snap.Edit()
	e.Delete(table, u)
	m.snap = e.Commit()
}

func (m *model) row(old *ovsdb.Row, table string, u ovsdb.UUID, cells []ovsdb.Cell) *ovsdb.Row {
	layout := m.snap.Table(table).Layout()
	values := make([]ovsdb.Value, len(layout.Columns))
	for i, c := range layout.Columns {
		values[i] = c.Type.Default()
		if old != nil {
			values[i] = old.Values()[i]
		}
		for _, cell := range cells {
			if cell.Column == c.Name {
				values[i] = cell.Value
			}
		}
	}
	return ovsdb.NewRow(layout, u, values)
}

// apply carries out one transaction; after an error nothing has changed.
func (m *model) apply(txn Txn) error {
	before := m.snap
	err := m.execute(txn.Ops)
	if err == nil {
		err = m.check()
	}
	if err != nil {
		m.snap = before
		return err
	}
	m.collect()
	m.commits = append(m.commits, m.snap)
	return nil
}

func (m *model) execute(ops []ovsdb.Op) error {
	named := make(map[ovsdb.NamedUUID]ovsdb.UUID)
	for _, op := range ops {
		if op.UUIDName != "" {
			named[ovsdb.NamedUUID(op.UUIDName)] = m.uuid()
		}
	}
	for i, op := range ops {
		if err := m.one(op, named); err != nil {
			return fmt.Errorf("operation %d (%s %s): %w", i, op.Kind, op.Table, err)
		}
	}
	return nil
}

func (m *model) one(op ovsdb.Op, named map[ovsdb.NamedUUID]ovsdb.UUID) error {
	if op.Kind == ovsdb.OpAssert {
		return nil
	}
	schema := m.snap.Schema.Tables[op.Table]
	cells := make([]ovsdb.Cell, len(op.Row))
	for i, c := range op.Row {
		if schema.Columns[c.Column] == nil {
			return fmt.Errorf("unknown column %s", c.Column)
		}
		cells[i] = ovsdb.Cell{Column: c.Column, Value: resolve(c.Value, named)}
	}
	if op.Kind == ovsdb.OpInsert {
		u := m.uuid()
		if op.UUIDName != "" {
			u = named[ovsdb.NamedUUID(op.UUIDName)]
		}
		m.put(op.Table, u, cells...)
		return nil
	}
	if len(op.Where) != 1 || op.Where[0].Column != "_uuid" || op.Where[0].Function != "==" {
		return fmt.Errorf("condition %v is not on _uuid", op.Where)
	}
	u := op.Where[0].Value.(ovsdb.UUID)
	old := m.snap.Table(op.Table).Get(u)
	switch op.Kind {
	case ovsdb.OpUpdate:
		for _, c := range cells {
			if !schema.Columns[c.Column].Mutable {
				return fmt.Errorf("column %s is immutable", c.Column)
			}
		}
		if old != nil {
			m.put(op.Table, u, cells...)
		}
	case ovsdb.OpDelete:
		m.del(op.Table, u)
	case ovsdb.OpWait:
		if len(op.Rows) == 0 {
			if old != nil {
				return ovsdb.ErrTimedOut
			}
			return nil
		}
		if old == nil {
			return ovsdb.ErrTimedOut
		}
		for _, c := range op.Rows[0] {
			if !ovsdb.Equal(old.Get(c.Column), c.Value) {
				return ovsdb.ErrTimedOut
			}
		}
	case ovsdb.OpMutate:
		for _, mut := range op.Mutations {
			old = m.snap.Table(op.Table).Get(u)
			if old == nil {
				return nil
			}
			var pairs []ovsdb.Pair
			held, change := old.Map(mut.Column), resolve(mut.Value, named).(ovsdb.Map)
			for k, v := range held.All() {
				if x, ok := change.Get(k); ok && mut.Mutator == "delete" && ovsdb.Equal(x, v) {
					continue
				}
				pairs = append(pairs, ovsdb.Pair{Key: k, Value: v})
			}
			for k, v := range change.All() {
				if _, ok := held.Get(k); !ok && mut.Mutator == "insert" {
					pairs = append(pairs, ovsdb.Pair{Key: k, Value: v})
				}
			}
			m.put(op.Table, u, ovsdb.Cell{Column: mut.Column, Value: ovsdb.NewMap(pairs...)})
		}
	default:
		return fmt.Errorf("a plan should not use this")
	}
	return nil
}

func resolve(v ovsdb.Value, named map[ovsdb.NamedUUID]ovsdb.UUID) ovsdb.Value {
	switch v := v.(type) {
	case ovsdb.NamedUUID:
		return named[v]
	case ovsdb.Set:
		var atoms []ovsdb.Value
		for a := range v.All() {
			atoms = append(atoms, resolve(a, named))
		}
		return ovsdb.NewSet(atoms...)
	case ovsdb.Map:
		var pairs []ovsdb.Pair
		for k, x := range v.All() {
			pairs = append(pairs, ovsdb.Pair{Key: k, Value: resolve(x, named)})
		}
		return ovsdb.NewMap(pairs...)
	}
	return v
}

// references calls f for each reference of each row.
func (m *model) references(f func(from *ovsdb.Row, table string, to ovsdb.UUID)) {
	for name := range Tables() {
		for r := range m.snap.Table(name).All() {
			for i, c := range r.Layout().Columns {
				switch v := r.Values()[i].(type) {
				case ovsdb.UUID:
					f(r, c.Type.Key.RefTable, v)
				case ovsdb.Set:
					for a := range v.All() {
						if u, ok := a.(ovsdb.UUID); ok {
							f(r, c.Type.Key.RefTable, u)
						}
					}
				case ovsdb.Map:
					for _, a := range v.All() {
						if u, ok := a.(ovsdb.UUID); ok {
							f(r, c.Type.Value.RefTable, u)
						}
					}
				}
			}
		}
	}
}

func (m *model) check() error {
	var err error
	m.references(func(from *ovsdb.Row, table string, to ovsdb.UUID) {
		if m.snap.Table(table).Get(to) == nil {
			err = fmt.Errorf("%w: %s refers to a row of %s that is not there", ovsdb.ErrReferentialIntegrity, from.Layout().Table.Name, table)
		}
	})
	for _, unique := range []string{tableLogicalSwitch, tableLocator} {
		seen := make(map[string]bool)
		for r := range m.snap.Table(unique).All() {
			key, _ := r.Int("tunnel_key")
			text := fmt.Sprint(r.Str("dst_ip"), key)
			if unique == tableLogicalSwitch {
				text = r.Str("name")
			}
			if seen[text] {
				return fmt.Errorf("%w: two rows of %s with %q", ovsdb.ErrConstraintViolation, unique, text)
			}
			seen[text] = true
		}
	}
	return err
}

// collect removes locators and locator sets that nothing refers to.
func (m *model) collect() {
	for range 2 {
		used := make(map[ovsdb.UUID]bool)
		m.references(func(_ *ovsdb.Row, _ string, to ovsdb.UUID) { used[to] = true })
		for _, table := range []string{tableLocatorSet, tableLocator} {
			for r := range m.snap.Table(table).All() {
				if !used[r.UUID()] {
					m.del(table, r.UUID())
				}
			}
		}
	}
}

// settle plays plan and switch until nothing more is to be done, and returns
// the last plan.
func (m *model) settle(t fatalf, intent *Intent, scope Scope) *Plan {
	t.Helper()
	for range 60 {
		plan := MakePlan(m.snap, Probe(m.snap.Schema, m.snap), intent, scope, nil)
		if len(plan.Txns) == 0 {
			return plan
		}
		lost := false
		for _, txn := range plan.Txns {
			if len(txn.Subjects) != len(txn.Ops) {
				t.Fatalf("%d operations and %d subjects", len(txn.Ops), len(txn.Subjects))
			}
			if limit := max(intent.Options.MaxOps, minMaxOps); intent.Options.MaxOps > 0 && len(txn.Ops) > limit {
				t.Fatalf("a transaction of %d operations, want at most %d", len(txn.Ops), limit)
			}
			if len(m.lose) > 0 {
				lost, m.lose = lost || m.lose[0], m.lose[1:]
				if lost && rand(&m.made)%2 == 0 {
					continue
				}
			}
			// After a loss, the guards of others may well fail.
			if err := m.apply(txn); err != nil && !lost {
				t.Fatalf("%v in %s", err, show(txn))
			}
		}
	}
	t.Fatalf("the plans do not come to an end; contents:\n%s", strings.Join(m.contents(), "\n"))
	return nil
}

func rand(state *uint32) uint32 {
	*state++
	return *state * 2654435761 >> 16
}

type fatalf interface {
	Helper()
	Fatalf(string, ...any)
}

func show(txn Txn) string {
	var b strings.Builder
	for _, op := range txn.Ops {
		b.Write(append(op.AppendJSON([]byte("\n")), ' '))
	}
	return b.String()
}

// contents are all rows that matter, as sorted lines.
func (m *model) contents() []string { return contents(m.snap) }

func contents(snap *ovsdb.Snapshot) []string {
	var lines []string
	add := func(format string, args ...any) { lines = append(lines, fmt.Sprintf(format, args...)) }
	name := func(u ovsdb.UUID) string { return snap.Table(tableLogicalSwitch).Get(u).Str("name") }
	address := func(u ovsdb.UUID) string {
		l := snap.Table(tableLocator).Get(u)
		if key, ok := l.Int("tunnel_key"); ok {
			return fmt.Sprintf("%s#%d", l.Str("dst_ip"), key)
		}
		return l.Str("dst_ip")
	}
	for r := range snap.Table(tableLogicalSwitch).All() {
		add("%s: switch %q key %v mode %v", r.Str("name"), r.Str("description"), words(r.Get("tunnel_key")), r.Str("replication_mode"))
		if key, ok := r.Int("tunnel_key"); ok {
			lines[len(lines)-1] = fmt.Sprintf("%s: switch %q key %d mode %v", r.Str("name"), r.Str("description"), key, r.Str("replication_mode"))
		}
	}
	for r := range snap.Table(tablePhysicalSwitch).All() {
		for v := range r.Set("ports").All() {
			port := snap.Table(tablePhysicalPort).Get(asUUID(v))
			for vlan, ls := range port.Map("vlan_bindings").All() {
				add("%s: bound %s/%s/%d", name(asUUID(ls)), r.Str("name"), port.Str("name"), vlan)
			}
		}
	}
	for r := range snap.Table(tableUcastRemote).All() {
		add("%s: %s at %s ip %s", name(r.Ref("logical_switch")), r.Str("MAC"), address(r.Ref("locator")), r.Str("ipaddr"))
	}
	for r := range snap.Table(tableMcastRemote).All() {
		var at []string
		for v := range snap.Table(tableLocatorSet).Get(r.Ref("locator_set")).Set("locators").All() {
			at = append(at, address(asUUID(v)))
		}
		slices.Sort(at)
		add("%s: %s at {%s}", name(r.Ref("logical_switch")), r.Str("MAC"), strings.Join(at, " "))
	}
	slices.Sort(lines)
	return lines
}

// The following make contents and intents.

func (m *model) addSwitch(name string, tunnelIP string, ports ...string) {
	var refs []ovsdb.Value
	for _, p := range ports {
		refs = append(refs, m.put(tablePhysicalPort, ovsdb.UUID{}, ovsdb.Cell{Column: "name", Value: p}))
	}
	m.put(tablePhysicalSwitch, ovsdb.UUID{}, ovsdb.Cell{Column: "name", Value: name},
		ovsdb.Cell{Column: "tunnel_ips", Value: ovsdb.NewSet(tunnelIP)}, ovsdb.Cell{Column: "ports", Value: ovsdb.NewSet(refs...)})
}

func (m *model) device(name string) *ovsdb.Row {
	return m.snap.Table(tablePhysicalSwitch).Lookup(byName, name).First()
}

func (m *model) port(device, port string) *ovsdb.Row {
	for v := range m.device(device).Set("ports").All() {
		if r := m.snap.Table(tablePhysicalPort).Get(asUUID(v)); r.Str("name") == port {
			return r
		}
	}
	return nil
}

func (m *model) bindVLAN(device, port string, vlan int64, ls ovsdb.UUID) {
	p := m.port(device, port)
	pairs := []ovsdb.Pair{{Key: vlan, Value: ls}}
	for k, v := range p.Map("vlan_bindings").All() {
		pairs = append(pairs, ovsdb.Pair{Key: k, Value: v})
	}
	m.put(tablePhysicalPort, p.UUID(), ovsdb.Cell{Column: "vlan_bindings", Value: ovsdb.NewMap(pairs...)})
}

func (m *model) addLS(name string, key int64) ovsdb.UUID {
	cells := []ovsdb.Cell{{Column: "name", Value: name}}
	if key != 0 {
		cells = append(cells, ovsdb.Cell{Column: "tunnel_key", Value: ovsdb.NewSet(key)})
	}
	return m.put(tableLogicalSwitch, ovsdb.UUID{}, cells...)
}

func (m *model) locator(ip string, key int64) ovsdb.UUID {
	for r := range m.snap.Table(tableLocator).All() {
		if k, _ := r.Int("tunnel_key"); r.Str("dst_ip") == ip && k == key {
			return r.UUID()
		}
	}
	cells := []ovsdb.Cell{{Column: "encapsulation_type", Value: vxlanOverIPv4}, {Column: "dst_ip", Value: ip}}
	if key != 0 {
		cells = append(cells, ovsdb.Cell{Column: "tunnel_key", Value: ovsdb.NewSet(key)})
	}
	return m.put(tableLocator, ovsdb.UUID{}, cells...)
}

func (m *model) addUcast(table string, ls ovsdb.UUID, mac, vtep, ip string) ovsdb.UUID {
	return m.put(table, ovsdb.UUID{}, ovsdb.Cell{Column: "MAC", Value: mac}, ovsdb.Cell{Column: "logical_switch", Value: ls},
		ovsdb.Cell{Column: "locator", Value: m.locator(vtep, 0)}, ovsdb.Cell{Column: "ipaddr", Value: ip})
}

func (m *model) addFlood(ls ovsdb.UUID, mac string, locators ...ovsdb.UUID) ovsdb.UUID {
	set := m.put(tableLocatorSet, ovsdb.UUID{}, ovsdb.Cell{Column: "locators", Value: ovsdb.SetOf(locators)})
	return m.put(tableMcastRemote, ovsdb.UUID{}, ovsdb.Cell{Column: "MAC", Value: mac},
		ovsdb.Cell{Column: "logical_switch", Value: ls}, ovsdb.Cell{Column: "locator_set", Value: set})
}

func addr(s string) netip.Addr { return netip.MustParseAddr(s) }

func mac(i int) l2gw.MAC {
	return l2gw.MAC{0xfa, 0x16, 0x3e, byte(i >> 16), byte(i >> 8), byte(i)}
}

func host(i int, vtep string, ips ...string) l2gw.Host {
	h := l2gw.Host{MAC: mac(i), VTEP: addr(vtep)}
	for _, ip := range ips {
		h.IPs = append(h.IPs, addr(ip))
	}
	return h
}

func segment(id string, vni l2gw.VNI, hosts ...l2gw.Host) *l2gw.Segment {
	s := &l2gw.Segment{NetworkID: id, Name: "name of " + id, VNI: vni}
	txn := s.Hosts.Txn()
	for _, h := range hosts {
		txn.Set(h.MAC, h)
		s.VTEPs = append(s.VTEPs, h.VTEP)
	}
	s.Hosts = txn.Commit()
	return withVTEPs(s)
}

// withVTEPs returns a copy of s with further VTEPs.
func withVTEPs(s *l2gw.Segment, more ...string) *l2gw.Segment {
	c := *s
	c.VTEPs = slices.Clone(c.VTEPs)
	for _, m := range more {
		c.VTEPs = append(c.VTEPs, addr(m))
	}
	slices.SortFunc(c.VTEPs, netip.Addr.Compare)
	c.VTEPs = slices.Compact(c.VTEPs)
	return &c
}

func newIntent(segments ...*l2gw.Segment) *Intent {
	in := &Intent{
		Bindings: make(map[l2gw.BindingKey]l2gw.Binding),
		Segments: make(map[string]*l2gw.Segment),
		Owned:    l2gw.Ownership{Networks: make(map[string]l2gw.VNI), Bindings: make(map[l2gw.BindingKey]string)},
	}
	for _, s := range segments {
		in.Segments[s.NetworkID] = s
		in.Owned.Networks[s.NetworkID] = s.VNI
	}
	return in
}

func (in *Intent) bind(device, port string, vlan l2gw.VLAN, network string) {
	k := l2gw.BindingKey{Device: device, Interface: port, VLAN: vlan}
	in.Bindings[k] = l2gw.Binding{BindingKey: k, NetworkID: network}
	in.Owned.Bindings[k] = network
	if _, ok := in.Owned.Networks[network]; !ok {
		in.Owned.Networks[network] = 0
	}
}

func (in *Intent) unbind(device, port string, vlan l2gw.VLAN) {
	delete(in.Bindings, l2gw.BindingKey{Device: device, Interface: port, VLAN: vlan})
}
