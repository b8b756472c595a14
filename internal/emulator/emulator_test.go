package emulator

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"go.uber.org/goleak"

	"l2gw/ovsdb"
	"l2gw/test/ovsdbd"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestTheSchemaIsTheOneOfOpenVSwitch(t *testing.T) {
	text, err := os.ReadFile(ovsdbd.VTEPSchema)
	if err != nil {
		t.Fatalf("the schema of openvswitch-common is needed: run `make deps` (%v)", err)
	}
	theirs, err := ovsdb.ParseSchema(text)
	if err != nil {
		t.Fatal(err)
	}
	opts := cmp.Options{cmpopts.IgnoreFields(ovsdb.Schema{}, "Cksum"), cmp.Comparer(func(a, b ovsdb.Set) bool { return ovsdb.Equal(a, b) })}
	if d := cmp.Diff(theirs, Schema(), opts); d != "" {
		t.Errorf("theirs and ours differ:\n%s", d)
	}
}

func TestAnOldSwitchLacksWhatCameLater(t *testing.T) {
	s := OldSchema()
	for _, column := range []string{"replication_mode", "other_config"} {
		if s.Has("Logical_Switch", column) {
			t.Errorf("it has Logical_Switch.%s", column)
		}
	}
	if s.Has("ACL") || !s.Has("Ucast_Macs_Remote", "locator") {
		t.Error("it has the wrong tables")
	}
	e := start(t, Options{Schema: s})
	bind(t, e, "eth1", 100, "net-a")
	eventually(t, "flooding is announced", func() bool { return strings.Contains(dump(t, e, "Mcast_Macs_Local"), "unknown-dst") })
}

func start(t *testing.T, opts Options) *Emulator {
	t.Helper()
	e, err := Start(context.Background(), opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close() })
	return e
}

// dump is what a person sees who looks in with ovsdb-client.
func dump(t *testing.T, e *Emulator, table string) string {
	t.Helper()
	var out, stderr bytes.Buffer
	cmd := exec.Command("ovsdb-client", "dump", e.Endpoint(), database, table)
	cmd.Stdout, cmd.Stderr = &out, &stderr
	if err := cmd.Run(); err != nil {
		t.Fatalf("ovsdb-client is needed and has to work: run `make deps` (%v: %s)", err, &stderr)
	}
	return out.String()
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within 20 s: %s", what)
		}
	}
}

func transact(t *testing.T, e *Emulator, ops ...ovsdb.Op) []ovsdb.OpResult {
	t.Helper()
	r, err := e.Server().Transact(database, ops...)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// bind is what a controller does.
func bind(t *testing.T, e *Emulator, port string, vlan int64, network string) {
	t.Helper()
	ls := ovsdb.Value(ovsdb.NamedUUID("ls"))
	var ops []ovsdb.Op
	if rows := transact(t, e, ovsdb.Select("Logical_Switch", []ovsdb.Condition{{Column: "name", Function: "==", Value: network}}))[0].Rows; len(rows) > 0 {
		ls = rows[0]["_uuid"]
	} else {
		ops = append(ops, ovsdb.Insert("Logical_Switch", "ls", ovsdb.Cell{Column: "name", Value: network}, ovsdb.Cell{Column: "tunnel_key", Value: int64(5001)}))
	}
	transact(t, e, append(ops, ovsdb.Mutate("Physical_Port", []ovsdb.Condition{{Column: "name", Function: "==", Value: port}},
		ovsdb.Mutation{Column: "vlan_bindings", Mutator: "insert", Value: ovsdb.NewMap(ovsdb.Pair{Key: vlan, Value: ls})}))...)
}

func unbind(t *testing.T, e *Emulator, port string, vlan int64) {
	t.Helper()
	transact(t, e, ovsdb.Mutate("Physical_Port", []ovsdb.Condition{{Column: "name", Function: "==", Value: port}},
		ovsdb.Mutation{Column: "vlan_bindings", Mutator: "delete", Value: ovsdb.NewSet(vlan)}))
}

func TestASwitchThatIsSwitchedOnShowsItsPorts(t *testing.T) {
	e := start(t, Options{})
	if got := dump(t, e, "Physical_Switch"); !strings.Contains(got, `"192.0.2.1"`) || !strings.Contains(got, "sw1") {
		t.Errorf("Physical_Switch:\n%s", got)
	}
	ports := dump(t, e, "Physical_Port")
	for _, p := range []string{"eth1", "eth2", "eth3", "eth4"} {
		if !strings.Contains(ports, p) {
			t.Errorf("no port %s in\n%s", p, ports)
		}
	}
}

func TestASwitchAnnouncesFloodingWhileANetworkIsBound(t *testing.T) {
	e := start(t, Options{})
	bind(t, e, "eth1", 100, "net-a")
	bind(t, e, "eth2", 0, "net-a")
	announced := func() bool { return strings.Contains(dump(t, e, "Mcast_Macs_Local"), "unknown-dst") }
	eventually(t, "flooding is announced", announced)
	if got := dump(t, e, "Physical_Locator"); !strings.Contains(got, "192.0.2.1") {
		t.Errorf("the locator is not the tunnel IP:\n%s", got)
	}
	if err := e.Learn("sw1", "net-a", "02:00:00:00:b1:01"); err != nil {
		t.Fatal(err)
	}
	unbind(t, e, "eth1", 100)
	if !announced() {
		t.Error("one binding of two is gone, and flooding is withdrawn")
	}
	unbind(t, e, "eth2", 0)
	eventually(t, "the local rows are withdrawn", func() bool {
		return !announced() && !strings.Contains(dump(t, e, "Ucast_Macs_Local"), "b1:01")
	})
	// Nothing refers to the logical switch any more, so that a controller can delete it.
	transact(t, e, ovsdb.Delete("Logical_Switch", nil))
}

func TestALearnedMACIsReportedOnceBehindTheOwnTunnelIP(t *testing.T) {
	e := start(t, Options{Switches: []Switch{{"ps1", "192.0.2.1", []string{"eth1"}}, {"ps2", "192.0.2.2", []string{"eth2"}}}})
	bind(t, e, "eth1", 100, "net-a")
	if err := e.Learn("ps2", "net-a", "02:00:00:00:b1:01"); err == nil {
		t.Error("a MAC was learned on a switch where the network is not bound")
	}
	bind(t, e, "eth2", 100, "net-a")
	behind := func() string {
		r := transact(t, e, ovsdb.Select("Ucast_Macs_Local", nil), ovsdb.Select("Physical_Locator", nil))
		if len(r[0].Rows) != 1 {
			t.Fatalf("%d rows of the MAC", len(r[0].Rows))
		}
		for _, l := range r[1].Rows {
			if l["_uuid"] == r[0].Rows[0]["locator"] {
				return l["dst_ip"].(string)
			}
		}
		return ""
	}
	for _, step := range []struct{ device, ip string }{{"ps1", "192.0.2.1"}, {"ps1", "192.0.2.1"}, {"ps2", "192.0.2.2"}} {
		if err := e.Learn(step.device, "net-a", "02:00:00:00:b1:01"); err != nil {
			t.Fatal(err)
		}
		if got := behind(); got != step.ip {
			t.Errorf("learned on %s, it is behind %s", step.device, got)
		}
	}
	if err := e.Forget("ps2", "net-a", "02:00:00:00:b1:01"); err != nil {
		t.Fatal(err)
	}
	if n := len(transact(t, e, ovsdb.Select("Ucast_Macs_Local", nil))[0].Rows); n != 0 {
		t.Errorf("%d rows of a MAC that aged out", n)
	}
	eventually(t, "both switches take broadcasts", func() bool {
		sets := transact(t, e, ovsdb.Select("Physical_Locator_Set", nil))[0].Rows
		return len(sets) == 1 && sets[0]["locators"].(ovsdb.Set).Len() == 2
	})
}

func TestAReplacedSwitchComesBackWithItsPortsAlone(t *testing.T) {
	e := start(t, Options{})
	if err := e.AddPort("sw1", "eth5"); err != nil {
		t.Fatal(err)
	}
	if err := e.RemovePort("sw1", "eth1"); err != nil {
		t.Fatal(err)
	}
	bind(t, e, "eth2", 100, "net-a")
	before := transact(t, e, ovsdb.Select("Physical_Switch", nil))[0].Rows[0]["_uuid"]
	session, err := net.Dial("tcp", e.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer session.Close()
	if _, err := io.WriteString(session, `{"method":"list_dbs","params":[],"id":1}`); err != nil {
		t.Fatal(err)
	}
	if _, err := session.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	if err := e.Wipe(); err != nil {
		t.Fatal(err)
	}
	_ = session.SetReadDeadline(time.Now().Add(20 * time.Second))
	if _, err := io.Copy(io.Discard, session); errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error("the session goes on")
	}
	if got := dump(t, e, "Logical_Switch"); strings.Contains(got, "net-a") {
		t.Errorf("the network is still there:\n%s", got)
	}
	if after := transact(t, e, ovsdb.Select("Physical_Switch", nil))[0].Rows[0]["_uuid"]; after == before {
		t.Error("the switch is the same row")
	}
	ports := dump(t, e, "Physical_Port")
	if strings.Contains(ports, "eth1") || !strings.Contains(ports, "eth5") {
		t.Errorf("ports:\n%s", ports)
	}
	bind(t, e, "eth5", 7, "net-b")
	eventually(t, "the new switch works", func() bool { return strings.Contains(dump(t, e, "Mcast_Macs_Local"), "unknown-dst") })
}

// The tools of Open vSwitch are clients that know nothing of us.
func TestVtepCtlProgramsTheSwitch(t *testing.T) {
	e := start(t, Options{})
	ctl := func(args ...string) string {
		t.Helper()
		var out, stderr bytes.Buffer
		cmd := exec.Command("vtep-ctl", append([]string{"--timeout=20", "--db=" + e.Endpoint()}, args...)...)
		cmd.Stdout, cmd.Stderr = &out, &stderr
		if err := cmd.Run(); err != nil {
			t.Fatalf("vtep-ctl is needed and has to work: run `make deps` (vtep-ctl %s: %v: %s)", strings.Join(args, " "), err, &stderr)
		}
		return out.String()
	}
	ctl("add-ls", "net-a", "--", "bind-ls", "sw1", "eth1", "100", "net-a")
	ctl("add-ucast-remote", "net-a", "02:00:00:00:a1:01", "192.0.2.11", "--", "add-mcast-remote", "net-a", "unknown-dst", "192.0.2.11")
	if got := ctl("show"); !strings.Contains(got, "100=net-a") {
		t.Errorf("show:\n%s", got)
	}
	if got := ctl("list-remote-macs", "net-a"); strings.Count(got, "vxlan_over_ipv4/192.0.2.11") != 2 {
		t.Errorf("list-remote-macs:\n%s", got)
	}
	eventually(t, "flooding is announced", func() bool {
		return strings.Contains(ctl("list-local-macs", "net-a"), "unknown-dst -> vxlan_over_ipv4/192.0.2.1")
	})
	ctl("unbind-ls", "sw1", "eth1", "100", "--", "clear-remote-macs", "net-a")
	eventually(t, "the local rows are withdrawn", func() bool { return !strings.Contains(ctl("list-local-macs", "net-a"), "unknown-dst") })
	ctl("del-ls", "net-a")
}

func TestBadOptionsAndNamesAreRefused(t *testing.T) {
	for _, opts := range []Options{
		{Switches: []Switch{{Name: "a", TunnelIP: "x"}}},
		{Switches: []Switch{{TunnelIP: "192.0.2.1"}}},
		{Listen: "nowhere"},
	} {
		if e, err := Start(context.Background(), opts); err == nil {
			e.Close()
			t.Errorf("started with %+v", opts)
		}
	}
	e := start(t, Options{})
	for name, err := range map[string]error{
		"unknown switch": e.AddPort("sw9", "eth1"),
		"port twice":     e.AddPort("sw1", "eth1"),
		"unknown port":   e.RemovePort("sw1", "eth9"),
		"no MAC":         e.Learn("sw1", "net-a", "x"),
		"not bound":      e.Learn("sw1", "net-a", "02:00:00:00:b1:01"),
	} {
		if err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestASwitchGoesOffWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	e, err := Start(ctx, Options{})
	if err != nil {
		t.Fatal(err)
	}
	addr := e.Addr().String()
	cancel()
	eventually(t, "nobody listens", func() bool {
		c, err := net.Dial("tcp", addr)
		if err == nil {
			c.Close()
		}
		return err != nil
	})
	e.Close()
	if err := e.Wipe(); !errors.Is(err, ErrClosed) {
		t.Error(fmt.Errorf("Wipe after the end: %w", err))
	}
}

// flaky is a listener whose first Accept fails as with too many open files.
type flaky struct {
	net.Listener
	failed bool
}

func (f *flaky) Accept() (net.Conn, error) {
	if !f.failed {
		f.failed = true
		return nil, syscall.EMFILE
	}
	return f.Listener.Accept()
}

func TestASwitchGoesOnListeningAfterAFailureThatPasses(t *testing.T) {
	e := start(t, Options{})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	other := &Emulator{log: e.log, listener: &flaky{Listener: l}, server: e.Server()}
	ctx, cancel := context.WithCancel(t.Context())
	defer other.wg.Wait()
	defer l.Close()
	defer cancel()
	other.wg.Go(func() { other.accept(ctx) })
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	if _, err := io.WriteString(c, `{"method":"echo","params":[],"id":1}`); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Read(make([]byte, 1)); err != nil {
		t.Error(err)
	}
}
