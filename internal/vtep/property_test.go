package vtep

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"pgregory.net/rapid"

	"l2gw"
	"l2gw/ovsdb"
)

// world is a random intent and a switch database with random dirty contents.
type world struct {
	m  *model
	in *Intent
	// tidy: VNIs are each other's own, so that nothing stands in the way of a network.
	tidy bool
}

var (
	worldNetworks = []string{"net-0", "net-1", "net-2", "net-3"}
	worldPorts    = []l2gw.BindingKey{
		{Device: "ps1", Interface: "eth1"}, {Device: "ps1", Interface: "eth2"}, {Device: "ps2", Interface: "eth1"},
	}
	worldVTEPs = []string{own1, own2, cn1, cn2, cn3, "10.0.1.4", "10.0.1.5", "2001:db8::1"}
)

func drawWorld(t *rapid.T, newSchema, old *ovsdb.Schema) *world {
	w := &world{tidy: rapid.Bool().Draw(t, "tidy")}
	schema := newSchema
	if rapid.IntRange(0, 3).Draw(t, "old schema") == 0 {
		schema = old
	}
	w.m = newModel(schema)
	w.m.addSwitch("ps1", own1, "eth1", "eth2")
	w.m.addSwitch("ps2", own2, "eth1")
	w.in = newIntent()
	w.in.Options.MaxOps = rapid.SampledFrom([]int{0, 16, 17, 20}).Draw(t, "max ops")
	w.in.Options.Lock = rapid.SampledFrom([]string{"", "l2gw"}).Draw(t, "lock")
	if rapid.IntRange(0, 3).Draw(t, "service nodes") == 0 {
		w.in.Options.ServiceNodes = []netip.Addr{addr("10.0.9.9"), addr("10.0.9.8")}
	}
	for i, id := range worldNetworks {
		if rapid.IntRange(0, 5).Draw(t, id+" is theirs") == 0 {
			continue
		}
		w.in.Owned.Networks[id] = 0
		if rapid.IntRange(0, 5).Draw(t, id+" is known") > 0 {
			w.in.Segments[id] = drawSegment(t, id, w.vni(t, i))
		}
	}
	w.drawBindings(t)
	w.drawRows(t)
	return w
}

func (w *world) vni(t *rapid.T, i int) l2gw.VNI {
	if w.tidy {
		return l2gw.VNI(5000 + i)
	}
	return l2gw.VNI(rapid.IntRange(5000, 5004).Draw(t, "vni"))
}

func drawSegment(t *rapid.T, id string, vni l2gw.VNI) *l2gw.Segment {
	var hosts []l2gw.Host
	for i := range 7 {
		if rapid.Bool().Draw(t, "host") {
			h := host(i, rapid.SampledFrom(worldVTEPs).Draw(t, "vtep"))
			if rapid.Bool().Draw(t, "has IP") {
				h.IPs = []netip.Addr{addr("10.5.0.1"), addr("10.5.0.2")}
			}
			hosts = append(hosts, h)
		}
	}
	return withVTEPs(segment(id, vni, hosts...), rapid.SliceOfN(rapid.SampledFrom(worldVTEPs), 0, 3).Draw(t, "more VTEPs")...)
}

func drawPlace(t *rapid.T) l2gw.BindingKey {
	k := rapid.SampledFrom(worldPorts).Draw(t, "port")
	k.VLAN = rapid.SampledFrom([]l2gw.VLAN{0, 100, 200}).Draw(t, "vlan")
	return k
}

func (w *world) drawBindings(t *rapid.T) {
	ours := slices.Sorted(maps.Keys(w.in.Owned.Networks))
	if len(ours) == 0 {
		return
	}
	for range rapid.IntRange(0, 6).Draw(t, "bindings") {
		k := drawPlace(t)
		switch rapid.IntRange(0, 9).Draw(t, "odd place") {
		case 0:
			k.Device = "ps9"
		case 1:
			k.Interface = "eth9"
		}
		w.in.bind(k.Device, k.Interface, k.VLAN, rapid.SampledFrom(ours).Draw(t, "network"))
	}
	for range rapid.IntRange(0, 3).Draw(t, "deleted bindings") {
		if k := drawPlace(t); w.in.Bindings[k].NetworkID == "" {
			w.in.Owned.Bindings[k] = rapid.SampledFrom(ours).Draw(t, "network")
		}
	}
}

func (w *world) drawRows(t *rapid.T) {
	m := w.m
	var switches []ovsdb.UUID
	names := append([]string{"theirs-0", "theirs-1"}, worldNetworks...)
	for i, name := range names {
		if rapid.IntRange(0, 2).Draw(t, name+" stands") == 0 {
			continue
		}
		key := int64(rapid.IntRange(5000, 5005).Draw(t, "key"))
		if w.tidy {
			key = int64(rapid.SampledFrom([]int{0, 4990 + i, 4998 + i}).Draw(t, "key"))
		} else if rapid.IntRange(0, 3).Draw(t, "no key") == 0 {
			key = 0
		}
		ls := m.addLS(name, key)
		if mode := rapid.SampledFrom([]string{"", sourceNode, serviceNode}).Draw(t, "mode"); mode != "" && m.snap.Schema.Has(tableLogicalSwitch, "replication_mode") {
			m.put(tableLogicalSwitch, ls, ovsdb.Cell{Column: "replication_mode", Value: ovsdb.NewSet(mode)})
		}
		switches = append(switches, ls)
	}
	if len(switches) == 0 {
		return
	}
	locator := func() ovsdb.UUID {
		return m.locator(rapid.SampledFrom(append([]string{"10.0.8.8"}, worldVTEPs[:6]...)).Draw(t, "locator"), int64(rapid.SampledFrom([]int{0, 0, 0, 7}).Draw(t, "its key")))
	}
	anyLS := func() ovsdb.UUID { return rapid.SampledFrom(switches).Draw(t, "ls") }
	for range rapid.IntRange(0, 12).Draw(t, "unicast rows") {
		text := mac(rapid.IntRange(0, 8).Draw(t, "mac")).String()
		switch rapid.IntRange(0, 9).Draw(t, "odd MAC") {
		case 0:
			text = strings.ToUpper(text)
		case 1:
			text = "no MAC"
		}
		m.put(tableUcastRemote, ovsdb.UUID{}, ovsdb.Cell{Column: "MAC", Value: text}, ovsdb.Cell{Column: "logical_switch", Value: anyLS()},
			ovsdb.Cell{Column: "locator", Value: locator()}, ovsdb.Cell{Column: "ipaddr", Value: rapid.SampledFrom([]string{"", "10.5.0.1", "10.9.9.9"}).Draw(t, "ip")})
	}
	for range rapid.IntRange(0, 6).Draw(t, "multicast rows") {
		set := []ovsdb.UUID{locator()}
		for range rapid.IntRange(0, 3).Draw(t, "more locators") {
			set = append(set, locator())
		}
		m.addFlood(anyLS(), rapid.SampledFrom([]string{unknownDst, unknownDst, "01:00:5e:00:00:01"}).Draw(t, "mcast mac"), set...)
	}
	for range rapid.IntRange(0, 5).Draw(t, "bindings that stand") {
		k := drawPlace(t)
		m.bindVLAN(k.Device, k.Interface, int64(k.VLAN), anyLS())
	}
	for range rapid.IntRange(0, 3).Draw(t, "local rows") {
		m.addUcast(tableUcastLocal, anyLS(), "02:00:00:00:00:01", own1, "")
	}
	m.collect()
}

// withdraw is the switch, which removes its own rows of what is no longer bound.
func (m *model) withdraw(waiting []string) {
	for _, name := range waiting {
		ls := m.snap.Table(tableLogicalSwitch).Lookup(byName, name).First()
		if ls == nil {
			continue
		}
		for r := range m.snap.Table(tableUcastLocal).Lookup(byLogicalSwitch, ls.UUID()).All() {
			m.del(tableUcastLocal, r.UUID())
		}
	}
}

// of are the lines that are about one logical switch, bindings left out.
func of(lines []string, ls string) []string {
	var out []string
	for _, l := range lines {
		if strings.HasPrefix(l, ls+": ") && !strings.HasPrefix(l, ls+": bound ") {
			out = append(out, l)
		}
	}
	return out
}

// holders are the logical switches by place.
func holders(lines []string) map[string]string {
	out := make(map[string]string)
	for _, l := range lines {
		if ls, at, ok := strings.Cut(l, ": bound "); ok {
			out[at] = ls
		}
	}
	return out
}

// wantedRows is what a network that nothing stands against must have, in plain
// words: the design's list, with no eye to how it comes about.
func (w *world) wantedRows(id string, before []string) []string {
	seg, schema := w.in.Segments[id], w.m.snap.Schema
	mode := ""
	if schema.Has(tableLogicalSwitch, "replication_mode") {
		mode = sourceNode
	}
	lines := []string{fmt.Sprintf("%s: switch %q key %d mode %s", id, seg.Name, seg.VNI, mode)}
	remote := func(a netip.Addr) bool { return a.Is4() && a.String() != own1 && a.String() != own2 }
	for _, h := range seg.Hosts.All() {
		if remote(h.VTEP) {
			ip := ""
			if len(h.IPs) > 0 {
				ip = h.IPs[0].String()
			}
			lines = append(lines, fmt.Sprintf("%s: %s at %s ip %s", id, h.MAC, h.VTEP, ip))
		}
	}
	var flood []string
	for _, a := range seg.VTEPs {
		if remote(a) {
			flood = append(flood, a.String())
		}
	}
	if mode == "" {
		if nodes := w.in.Options.ServiceNodes; len(nodes) > 0 && len(flood) > 0 {
			flood = []string{"10.0.9.8", "10.0.9.9"}
		} else if len(nodes) == 0 {
			if theirs := w.operatorsSets(id, before, flood); len(theirs) > 0 {
				flood = theirs
			}
		}
	}
	// A logical switch that is made anew loses what others wrote below it.
	rebuilt := !strings.Contains(switchLine(before, id), fmt.Sprintf("key %d ", seg.VNI)) && !strings.Contains(switchLine(before, id), "(not set)")
	slices.Sort(flood)
	if len(flood) > 0 {
		lines = append(lines, fmt.Sprintf("%s: unknown-dst at {%s}", id, strings.Join(flood, " ")))
	}
	for _, l := range of(before, id) {
		if strings.HasPrefix(l, id+": 01:00:5e") && !rebuilt {
			lines = append(lines, l)
		}
	}
	slices.Sort(lines)
	return lines
}

// switchLine is the line about the logical switch itself.
func switchLine(lines []string, id string) string {
	for _, l := range lines {
		if strings.HasPrefix(l, id+": switch ") {
			return l
		}
	}
	return ""
}

// operatorsSets is the set that an operator is believed to have written: all sets of the
// logical switch share nothing with the segment's VTEPs and unicast rows. With several of them it is
// not said which one stays, and nil is returned for the test to look what did.
func (w *world) operatorsSets(id string, before, vteps []string) []string {
	var sets [][]string
	for _, l := range of(before, id) {
		if _, set, ok := strings.Cut(l, ": unknown-dst at {"); ok {
			sets = append(sets, strings.Fields(strings.TrimSuffix(set, "}")))
		}
	}
	for _, set := range sets {
		for _, a := range set {
			if slices.Contains(vteps, a) || slices.ContainsFunc(of(before, id), func(l string) bool { return strings.Contains(l, " at "+a+" ip") }) {
				return nil
			}
		}
	}
	if len(sets) == 0 {
		return nil
	}
	return w.floodNow(id)
}

func (w *world) floodNow(id string) []string {
	for _, l := range of(w.m.contents(), id) {
		if _, set, ok := strings.Cut(l, ": unknown-dst at {"); ok {
			return strings.Fields(strings.TrimSuffix(set, "}"))
		}
	}
	return nil
}

// check compares contents before and after with what the last plan says.
func (w *world) check(t fatalf, plan *Plan, before []string) {
	after := w.m.contents()
	same := func(what string, want, got []string) {
		t.Helper()
		if !slices.Equal(want, got) {
			t.Fatalf("%s\nwant:\n  %s\ngot:\n  %s\nbefore:\n  %s", what, strings.Join(want, "\n  "), strings.Join(got, "\n  "), strings.Join(before, "\n  "))
		}
	}
	bound := boundNetworks(w.in)
	stays := make(map[string]bool) // bindings of these stay as they are
	writes := make(map[string]bool)
	for _, id := range append([]string{"theirs-0", "theirs-1"}, worldNetworks...) {
		_, ours := w.in.Owned.Networks[id]
		verdict := plan.Networks[id]
		switch {
		case !ours:
			same(id+" is not ours and was changed", of(before, id), of(after, id))
		case len(bound[id]) == 0:
			same(id+" is not wanted and not gone", nil, of(after, id))
		case w.in.Segments[id] == nil:
			same(id+" is not known and was changed", of(before, id), of(after, id))
			stays[id], writes[id] = true, len(of(before, id)) > 0
		case verdict.Status == l2gw.StatusActive || verdict.Status == l2gw.StatusDegraded:
			same(id, w.wantedRows(id, before), of(after, id))
			writes[id] = true
		case !w.here(id) && len(of(after, id)) == 0:
			// A logical switch with another VNI goes, also when there is nowhere to make it anew.
			stays[id] = len(of(before, id)) == 0
		default:
			same(fmt.Sprintf("%s is %v and was changed", id, verdict), of(before, id), of(after, id))
			stays[id] = true
			if w.tidy && (w.here(id) || len(of(before, id)) > 0) && !strings.Contains(verdict.Reason, "theirs") && !w.heldByOthers(id, before) {
				t.Fatalf("%s is %v, want it written", id, verdict)
			}
		}
	}
	was, is := holders(before), holders(after)
	for _, port := range worldPorts {
		for _, vlan := range []l2gw.VLAN{0, 100, 200} {
			k := port
			k.VLAN = vlan
			at := fmt.Sprintf("%s/%s/%d", k.Device, k.Interface, k.VLAN)
			holder, wanted := was[at], w.in.Bindings[k].NetworkID
			_, ours := w.in.Owned.Networks[holder]
			want := ""
			switch {
			case holder != "" && !ours:
				want = holder
			case writes[wanted]:
				want = wanted
			case stays[holder] && (holder == wanted || w.in.Owned.Bindings[k] != holder):
				want = holder
			}
			if is[at] != want {
				t.Fatalf("%s is bound to %q, want %q; before %q, wanted %q", at, is[at], want, holder, wanted)
			}
		}
	}
}

// here reports whether the network is bound on a switch of this database.
func (w *world) here(id string) bool {
	return slices.ContainsFunc(boundNetworks(w.in)[id], func(k l2gw.BindingKey) bool { return k.Device != "ps9" })
}

// heldByOthers reports whether a logical switch that is not removed or rebuilt has id's VNI.
func (w *world) heldByOthers(id string, before []string) bool {
	for _, l := range before {
		name, rest, _ := strings.Cut(l, ": switch ")
		if name != id && strings.Contains(rest, fmt.Sprintf(" key %d ", w.in.Segments[id].VNI)) {
			_, ours := w.in.Owned.Networks[name]
			if !ours || w.in.Segments[name] == nil {
				return true
			}
		}
	}
	return false
}
