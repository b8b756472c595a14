package emulator

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"strconv"

	"l2gw/ovsdb"
)

// behave does what a switch does by itself, after each change of its database.
func behave(ctx context.Context, server *ovsdb.Server, changed <-chan struct{}, log *slog.Logger) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-changed:
		}
		err := update(server, func(v *view) ([]ovsdb.Op, error) { return v.follow(), nil })
		if err != nil && !errors.Is(err, ovsdb.ErrServerClosed) {
			log.Warn("the emulated switch could not write its rows", "error", err)
		}
	}
}

// update carries out the operations that f finds right for the contents of the
// database. If a controller was faster, f is asked again.
func update(server *ovsdb.Server, f func(*view) ([]ovsdb.Op, error)) error {
	for tries := 0; ; tries++ {
		v, err := look(server)
		if err != nil {
			return err
		}
		ops, err := f(v)
		if err != nil || len(ops) == 0 {
			return err
		}
		_, err = server.Transact(database, ops...)
		if raced := errors.Is(err, ovsdb.ErrConstraintViolation) || errors.Is(err, ovsdb.ErrReferentialIntegrity); !raced || tries == 10 {
			return err
		}
	}
}

// row is a row of the database.
type row map[string]ovsdb.Value

func (r row) uuid() ovsdb.UUID              { return r["_uuid"].(ovsdb.UUID) }
func (r row) str(column string) string      { s, _ := r[column].(string); return s }
func (r row) ref(column string) ovsdb.UUID  { u, _ := r[column].(ovsdb.UUID); return u }
func (r row) set(column string) ovsdb.Set   { s, _ := r[column].(ovsdb.Set); return s }
func (r row) pairs(column string) ovsdb.Map { m, _ := r[column].(ovsdb.Map); return m }

// view is the contents of the database at one moment.
type view struct {
	switches, ports, logical, ucast, mcast, sets, locators []row
}

func look(server *ovsdb.Server) (*view, error) {
	v := &view{}
	tables := []struct {
		name string
		into *[]row
	}{
		{"Physical_Switch", &v.switches},
		{"Physical_Port", &v.ports},
		{"Logical_Switch", &v.logical},
		{"Ucast_Macs_Local", &v.ucast},
		{"Mcast_Macs_Local", &v.mcast},
		{"Physical_Locator_Set", &v.sets},
		{"Physical_Locator", &v.locators},
	}
	ops := make([]ovsdb.Op, len(tables))
	for i, t := range tables {
		ops[i] = ovsdb.Select(t.name, nil)
	}
	results, err := server.Transact(database, ops...)
	if err != nil {
		return nil, err
	}
	for i, t := range tables {
		for _, r := range results[i].Rows {
			*t.into = append(*t.into, r)
		}
	}
	return v, nil
}

// follow returns the operations with which the switch follows the bindings.
func (v *view) follow() []ovsdb.Op {
	bound := make(map[ovsdb.UUID]map[string]bool) // logical switch → tunnel IPs
	for _, s := range v.switches {
		for _, ls := range v.boundOn(s) {
			if bound[ls] == nil {
				bound[ls] = make(map[string]bool)
			}
			bound[ls][tunnelIP(s)] = true
		}
	}
	w := &writing{v: v}
	for _, r := range v.ucast {
		if bound[r.ref("logical_switch")] == nil {
			w.ops = append(w.ops, ovsdb.Delete("Ucast_Macs_Local", ovsdb.ByUUID(r.uuid())))
		}
	}
	announced := make(map[ovsdb.UUID]bool)
	for _, r := range v.mcast {
		ls := r.ref("logical_switch")
		switch {
		case bound[ls] == nil || announced[ls]:
			w.ops = append(w.ops, ovsdb.Delete("Mcast_Macs_Local", ovsdb.ByUUID(r.uuid())))
			continue
		case !maps.Equal(v.addresses(r.ref("locator_set")), bound[ls]):
			w.ops = append(w.ops, ovsdb.Update("Mcast_Macs_Local", ovsdb.ByUUID(r.uuid()),
				ovsdb.Cell{Column: "locator_set", Value: w.locatorSet(bound[ls])}))
		}
		announced[ls] = true
	}
	for _, ls := range v.logical {
		if ips := bound[ls.uuid()]; ips != nil && !announced[ls.uuid()] {
			w.ops = append(w.ops, ovsdb.Insert("Mcast_Macs_Local", "",
				ovsdb.Cell{Column: "MAC", Value: "unknown-dst"},
				ovsdb.Cell{Column: "logical_switch", Value: ls.uuid()},
				ovsdb.Cell{Column: "locator_set", Value: w.locatorSet(ips)}))
		}
	}
	return w.ops
}

// boundOn returns the logical switches that are bound on ports of the switch.
func (v *view) boundOn(s row) []ovsdb.UUID {
	var bound []ovsdb.UUID
	ports := s.set("ports")
	for _, p := range v.ports {
		if !ports.Has(p.uuid()) {
			continue
		}
		for _, ls := range p.pairs("vlan_bindings").All() {
			if u := ls.(ovsdb.UUID); !slices.Contains(bound, u) {
				bound = append(bound, u)
			}
		}
	}
	return bound
}

// addresses are the IPs of a locator set.
func (v *view) addresses(set ovsdb.UUID) map[string]bool {
	ips := make(map[string]bool)
	for _, s := range v.sets {
		if s.uuid() != set {
			continue
		}
		for _, l := range v.locators {
			if s.set("locators").Has(l.uuid()) {
				ips[l.str("dst_ip")] = true
			}
		}
	}
	return ips
}

func tunnelIP(s row) string {
	if ips := s.set("tunnel_ips"); ips.Len() > 0 {
		return ips.At(0).(string)
	}
	return ""
}

func find(rows []row, column, value string) row {
	for _, r := range rows {
		if r.str(column) == value {
			return r
		}
	}
	return nil
}

// writing collects operations; it makes each locator once.
type writing struct {
	v    *view
	ops  []ovsdb.Op
	made map[string]ovsdb.NamedUUID
	sets int
}

// locator returns the reference to the locator of an IP, to one that is there if there is one.
func (w *writing) locator(ip string) ovsdb.Value {
	for _, l := range w.v.locators {
		if l.str("dst_ip") == ip && l.set("tunnel_key").Len() == 0 {
			return l.uuid()
		}
	}
	if name, ok := w.made[ip]; ok {
		return name
	}
	if w.made == nil {
		w.made = make(map[string]ovsdb.NamedUUID)
	}
	name := ovsdb.NamedUUID("locator_" + strconv.Itoa(len(w.made)))
	w.made[ip] = name
	w.ops = append(w.ops, ovsdb.Insert("Physical_Locator", string(name),
		ovsdb.Cell{Column: "encapsulation_type", Value: "vxlan_over_ipv4"}, ovsdb.Cell{Column: "dst_ip", Value: ip}))
	return name
}

// locatorSet makes a locator set.
func (w *writing) locatorSet(ips map[string]bool) ovsdb.Value {
	var locators []ovsdb.Value
	for _, ip := range slices.Sorted(maps.Keys(ips)) {
		locators = append(locators, w.locator(ip))
	}
	w.sets++
	name := ovsdb.NamedUUID("set_" + strconv.Itoa(w.sets))
	w.ops = append(w.ops, ovsdb.Insert("Physical_Locator_Set", string(name),
		ovsdb.Cell{Column: "locators", Value: ovsdb.NewSet(locators...)}))
	return name
}
