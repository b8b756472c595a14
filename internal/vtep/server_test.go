package vtep

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"l2gw/ovsdb"
	"l2gw/test/ovsdbd"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// switchServer is a database behind a server: one connection writes, and
// another one, which knows nothing of the first, monitors.
type switchServer struct {
	writer, monitor *ovsdb.Client
}

const patience = 20 * time.Second

func connect(t *testing.T, endpoint, lock string) *ovsdb.Client {
	t.Helper()
	dialer, err := ovsdb.Dialer(nil, endpoint)
	if err != nil {
		t.Fatal(err)
	}
	c, err := ovsdb.NewClient(ovsdb.ClientOptions{Database: Database, Connect: dialer, Tables: Tables(), Indexes: Indexes(), Lock: lock})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- c.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		<-done
	})
	sub := c.Subscribe()
	defer sub.Close()
	wait, stop := context.WithTimeout(ctx, patience)
	defer stop()
	for {
		if s := c.State(); s.Phase == ovsdb.Synced && (lock == "" || s.Locked()) {
			return c
		}
		if _, err := sub.Next(wait); err != nil {
			t.Fatalf("%s: not in sync: %v", endpoint, c.State().Err)
		}
	}
}

func serve(t *testing.T, endpoint string) *switchServer {
	t.Helper()
	return &switchServer{writer: connect(t, endpoint, "l2gw"), monitor: connect(t, endpoint, "")}
}

// inProcess serves the schema from within the test.
func inProcess(t *testing.T, schema *ovsdb.Schema) *switchServer {
	t.Helper()
	s, err := ovsdb.NewServer(ovsdb.ServerOptions{Schemas: []*ovsdb.Schema{schema}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	at, err := s.Listen("ptcp:0:127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	return serve(t, "tcp:"+at.String())
}

// realServer serves the schema with Open vSwitch's own server.
func realServer(t *testing.T, schema *ovsdb.Schema) *switchServer {
	t.Helper()
	text, err := schema.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	return serve(t, "unix:"+ovsdbd.Start(t, ovsdbd.Options{Schema: text}).Socket)
}

// transact sends a transaction and returns what the monitor sees of it.
func (s *switchServer) transact(t fatalf, ops []ovsdb.Op) *ovsdb.Snapshot {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if _, err := s.writer.Transact(ctx, ops...); err != nil {
		var failed *ovsdb.TransactError
		if errors.As(err, &failed) && failed.Index < len(ops) {
			t.Fatalf("%v in %s", err, show(Txn{Ops: ops[failed.Index : failed.Index+1]}))
		}
		t.Fatalf("%v in %s", err, show(Txn{Ops: ops}))
	}
	// An update comes before the answer to anything that was asked after it.
	if _, err := s.monitor.Transact(ctx, ovsdb.Comment("what happened so far?")); err != nil {
		t.Fatalf("monitor: %v", err)
	}
	return s.monitor.Snapshot()
}

// load replaces the contents of the database by the model's.
func (s *switchServer) load(t fatalf, m *model) {
	t.Helper()
	// References are checked before what nobody refers to is collected.
	ops := []ovsdb.Op{ovsdb.Update(tablePhysicalPort, nil, ovsdb.Cell{Column: "vlan_bindings", Value: ovsdb.Map{}})}
	for name, table := range m.snap.Schema.Tables {
		if table.IsRoot {
			ops = append(ops, ovsdb.Delete(name, nil))
		}
	}
	s.transact(t, ops)
	ops = nil
	names := make(map[ovsdb.UUID]ovsdb.NamedUUID)
	for table := range Tables() {
		for r := range m.snap.Table(table).All() {
			names[r.UUID()] = ovsdb.NamedUUID(fmt.Sprintf("row%d", len(names)))
		}
	}
	var switches []ovsdb.Value
	for table := range Tables() {
		for r := range m.snap.Table(table).All() {
			var cells []ovsdb.Cell
			for i, c := range r.Layout().Columns {
				cells = append(cells, ovsdb.Cell{Column: c.Name, Value: named(r.Values()[i], names)})
			}
			ops = append(ops, ovsdb.Insert(table, string(names[r.UUID()]), cells...))
			if table == tablePhysicalSwitch {
				switches = append(switches, names[r.UUID()])
			}
		}
	}
	s.transact(t, append(ops, ovsdb.Insert(tableGlobal, "", ovsdb.Cell{Column: "switches", Value: ovsdb.NewSet(switches...)})))
}

func named(v ovsdb.Value, names map[ovsdb.UUID]ovsdb.NamedUUID) ovsdb.Value {
	switch v := v.(type) {
	case ovsdb.UUID:
		return names[v]
	case ovsdb.Set:
		var atoms []ovsdb.Value
		for a := range v.All() {
			atoms = append(atoms, named(a, names))
		}
		return ovsdb.NewSet(atoms...)
	case ovsdb.Map:
		var pairs []ovsdb.Pair
		for k, x := range v.All() {
			pairs = append(pairs, ovsdb.Pair{Key: k, Value: named(x, names)})
		}
		return ovsdb.NewMap(pairs...)
	}
	return v
}

// play is world.run against a server: plans and the switch's own doings until nothing is left to do.
func (s *switchServer) play(t fatalf, w *world) *Plan {
	t.Helper()
	states := []*ovsdb.Snapshot{s.monitor.Snapshot()}
	for range 80 {
		snap := s.writer.Snapshot()
		plan := MakePlan(snap, Probe(snap.Schema, snap), w.in, all, nil)
		for _, txn := range plan.Txns {
			states = append(states, s.transact(t, txn.Ops))
		}
		if len(plan.Txns) > 0 {
			continue
		}
		var withdraw []ovsdb.Op
		for _, id := range append(plan.Waiting, worldNetworks...) {
			if ls := snap.Table(tableLogicalSwitch).Lookup(byName, id).First(); ls != nil && (len(plan.Waiting) > 0 || rebuilding(plan)) {
				for r := range snap.Table(tableUcastLocal).Lookup(byLogicalSwitch, ls.UUID()).All() {
					withdraw = append(withdraw, ovsdb.Delete(tableUcastLocal, ovsdb.ByUUID(r.UUID())))
				}
			}
		}
		if len(withdraw) == 0 {
			w.m.snap = s.monitor.Snapshot()
			w.watch(t, states)
			return plan
		}
		states = append(states, s.transact(t, withdraw))
	}
	t.Fatalf("the plans do not come to an end")
	return nil
}

// try makes the contents of one world right.
func (w *world) try(t fatalf, now, old *switchServer) {
	t.Helper()
	s := now
	if !w.m.snap.Schema.Has(tableLogicalSwitch, "replication_mode") {
		s = old
	}
	s.load(t, w.m)
	before := contents(s.monitor.Snapshot())
	plan := s.play(t, w)
	w.check(t, plan, before)
}

func TestPlansMakeAServerRightWhileAnotherConnectionWatchesEachCommit(t *testing.T) {
	newSchema, oldSchema := vtepSchema(t), oldSchema(t)
	now, old := inProcess(t, newSchema), inProcess(t, oldSchema)
	rapid.Check(t, func(t *rapid.T) { drawWorld(t, newSchema, oldSchema).try(t, now, old) })
}

func TestPlansMakeTheRealServerRightWhileAnotherConnectionWatchesEachCommit(t *testing.T) {
	newSchema, oldSchema := vtepSchema(t), oldSchema(t)
	now, old := realServer(t, newSchema), realServer(t, oldSchema)
	worlds := rapid.Custom(func(t *rapid.T) *world { return drawWorld(t, newSchema, oldSchema) })
	for seed := range 40 {
		worlds.Example(seed).try(t, now, old)
	}
}

// What cannot be written as it is would be found different at each look.
func TestANameThatNoServerTakesAsItIsIsWrittenOnce(t *testing.T) {
	schema := vtepSchema(t)
	s := realServer(t, schema)
	m := twoSwitches(t, schema)
	s.load(t, m)
	seg := segment("net-a", 5001, host(1, cn1))
	seg.Name = "a\x00b\xff\xfe\u00e9"
	in := newIntent(seg)
	in.bind("ps1", "eth1", 100, "net-a")
	for range 3 {
		snap := s.writer.Snapshot()
		plan := MakePlan(snap, Probe(snap.Schema, snap), in, all, nil)
		if plan.InSync() {
			return
		}
		for _, txn := range plan.Txns {
			if _, err := s.writer.Transact(t.Context(), txn.Ops...); err != nil {
				t.Fatal(err)
			}
		}
	}
	t.Error("it is written again and again")
}
