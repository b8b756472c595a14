package cli_test

import (
	"context"
	"flag"
	"io"
	"log/slog"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"l2gw"
	"l2gw/internal/api"
	"l2gw/internal/cli"
	"l2gw/internal/store"

	"github.com/rogpeppe/go-internal/testscript"
)

var update = flag.Bool("update", false, "write what the commands print into the scripts")

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"l2gw": func() { os.Exit(cli.Run(context.Background(), cli.NewCommand(cli.OSEnvironment()), os.Args[1:])) },
		"openstack": func() {
			os.Exit(cli.Run(context.Background(), cli.NewOpenStackCommand(cli.OSEnvironment()), os.Args[1:]))
		},
		"neutron-l2gw": func() {
			os.Exit(cli.Run(context.Background(), cli.NewNeutronCommand(cli.OSEnvironment()), os.Args[1:]))
		},
	})
}

// TestScripts runs the command line against the API over a real store. Scripts
// have the networks n1 and n2 (and twice "twin"), the switches ps1 and ps2 in
// one database, and one database that cannot be reached.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		UpdateScripts:       *update,
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(env *testscript.Env) error {
			st, err := store.Open(context.Background(), "sqlite:///"+filepath.Join(env.WorkDir, "l2gw.db"))
			if err != nil {
				return err
			}
			env.Defer(func() { _ = st.Close() })
			sw := &switches{store: st, asked: map[string]int{}}
			server := httptest.NewServer(api.New(api.Options{
				Store: st, Status: sw, Networks: sw, Devices: sw, Agents: sw, Commands: sw, Logger: slog.New(slog.NewTextHandler(io.Discard, nil)),
			}))
			env.Defer(server.Close)
			env.Setenv("OS_ENDPOINT", server.URL)
			// With the race detector a process sleeps for a second when it ends, unless told not to.
			env.Setenv("GORACE", "atexit_sleep_ms=10")
			env.Values["switches"] = sw
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"steady": steady, "switch": change, "keep": keep,
		},
	})
}

var ids = regexp.MustCompile(`[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}`)

// times are of objects that a script makes, which it makes at the time it runs.
var times = regexp.MustCompile(`"20[0-9T:-]{17}Z"`)

// steady FILE: writes the last output to FILE with every id that the API made
// replaced by one of equal width.
func steady(ts *testscript.TestScript, _ bool, args []string) {
	text := ids.ReplaceAllStringFunc(ts.ReadFile("stdout"), func(id string) string {
		if strings.HasPrefix(id, "00000000-") {
			return id
		}
		return "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx"
	})
	text = times.ReplaceAllString(text, `"2026-01-02T03:04:05Z"`)
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(text), 0o600))
}

// keep NAME: puts the first id of the last output into the variable NAME.
func keep(ts *testscript.TestScript, _ bool, args []string) {
	ts.Setenv(args[0], ids.FindString(ts.ReadFile("stdout")))
}

// switch differs|cannot|agrees: what a comparison of database rack1 finds.
// switch down|up: whether the inventory is known.
// switch broken|whole: whether the inventory that is known can still be read.
// switch lost: the inventory lost much; its removal from database rack1 is held.
// switch alone: the agent on host2 goes.
// switch standby: the server is not the controller any more.
func change(ts *testscript.TestScript, _ bool, args []string) {
	sw := ts.Value("switches").(*switches)
	sw.mu.Lock()
	defer sw.mu.Unlock()
	switch args[0] {
	case "differs":
		sw.validation = l2gw.Validation{Differences: []l2gw.Difference{
			{Table: "Ucast_Macs_Remote", Row: "fa:16:3e:00:00:01 in n1", Wanted: "10.77.0.11"},
			{Table: "Physical_Port", Row: "ps1/eth1 VLAN 100", Wanted: "n1", Held: "n2"},
		}}
	case "cannot":
		sw.validation = l2gw.Validation{Error: "the agent did not answer"}
	case "agrees":
		sw.validation = l2gw.Validation{}
	case "down":
		sw.down = true
	case "up":
		sw.down = false
	case "broken":
		sw.broken = "inventory.yaml:3: vni \"many\" is not a number"
	case "whole":
		sw.broken = ""
	case "lost":
		sw.held = []l2gw.HeldRemoval{
			{
				NetworkID: scriptNetworks[0].ID, Rows: 31, Total: 40, Reason: "the inventory does not have these hosts any more",
				Since: time.Date(2026, 11, 21, 2, 0, 0, 0, time.UTC), Confirms: true,
			},
			{NetworkID: "gone-network", Rows: 12, Total: 12, Reason: "the inventory does not have the network any more"},
		}
	case "alone":
		sw.alone = true
	case "standby":
		sw.refusal = &l2gw.Error{
			Code: l2gw.Unavailable, Type: "ServiceUnavailable",
			Message: "this server is not the controller; server b is: ask that one. Try again later.",
		}
	default:
		ts.Fatalf("switch %s?", args[0])
	}
}

// switches stand for what the controller tells: a switch confirms a binding when
// it is asked for the second time, and gives it up as soon as it is deleted.
type switches struct {
	store *store.Store

	mu         sync.Mutex
	asked      map[string]int
	validation l2gw.Validation
	down       bool
	broken     string
	mode       l2gw.Mode
	held       []l2gw.HeldRemoval
	alone      bool
	refusal    error // of commands
}

var scriptNetworks = []l2gw.Network{
	{ID: "00000000-0000-0000-0000-000000000001", Name: "n1", VNI: 5001, MTU: 1450},
	{ID: "00000000-0000-0000-0000-000000000002", Name: "n2", VNI: 5002, MTU: 1450},
	{ID: "00000000-0000-0000-0000-000000000003", Name: "twin", VNI: 5003, MTU: 1450},
	{ID: "00000000-0000-0000-0000-000000000004", Name: "twin", VNI: 5004, MTU: 1450},
}

func (s *switches) Connection(id string) (l2gw.Status, string, []l2gw.BindingStatus) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked[id]++
	status, reason := l2gw.StatusBuild, "the switch has not confirmed it yet"
	if s.asked[id] > 2 {
		status, reason = l2gw.StatusActive, ""
	}
	bindings, err := s.store.ConnectionBindings(context.Background(), id)
	if err != nil {
		panic(err)
	}
	var all []l2gw.BindingStatus
	for _, b := range bindings[id] {
		all = append(all, l2gw.BindingStatus{Binding: b, Status: status, Reason: reason})
	}
	return status, reason, all
}

func (s *switches) Gateway(string) (l2gw.Status, string) { return l2gw.StatusActive, "" }

func (s *switches) Network(ctx context.Context, id string) (l2gw.Network, error) {
	d, err := s.Directory(ctx)
	if err != nil {
		return l2gw.Network{}, err
	}
	if i, ok := d.FindNetwork(id); ok {
		return *d.Network(i), nil
	}
	return l2gw.Network{}, l2gw.NetworkNotFound(id)
}

func (s *switches) Directory(context.Context) (*l2gw.Directory, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.down {
		return nil, l2gw.ServiceUnavailable("The network inventory", nil)
	}
	all := make([]l2gw.DirectoryNetwork, len(scriptNetworks))
	for i, n := range scriptNetworks {
		all[i].Network = n
	}
	return l2gw.NewDirectory(all, nil), nil
}

func (s *switches) Inventory() l2gw.InventoryState {
	s.mu.Lock()
	defer s.mu.Unlock()
	return l2gw.InventoryState{Known: !s.down, Error: s.broken, Networks: len(scriptNetworks)}
}

func (s *switches) Databases() []l2gw.DatabaseState {
	_, bindings, err := s.store.Bindings(context.Background())
	if err != nil {
		panic(err)
	}
	eth1 := l2gw.PortState{Name: "eth1", Bindings: []l2gw.PortBinding{{VLAN: 43, LogicalSwitch: "theirs"}}}
	for _, b := range bindings {
		if b.Device == "ps1" && b.Interface == "eth1" {
			eth1.Bindings = append(eth1.Bindings, l2gw.PortBinding{VLAN: b.VLAN, LogicalSwitch: b.NetworkID, Ours: true})
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return []l2gw.DatabaseState{
		{
			Writer: s.mode == l2gw.ModeRun, Lock: l2gw.LockingHeld, Mode: s.mode, Held: slices.Clone(s.held),
			Name: "rack1", Agent: "host1", Connected: true, InSync: true, Schema: "1.7.0",
			SyncedAt: time.Date(2026, 11, 21, 1, 2, 3, 0, time.UTC),
			Losses:   []string{"no replication_mode: broadcasts go to service nodes"},
			Rows:     map[string]int{"Logical_Switch": 1, "Ucast_Macs_Remote": 2, "Mcast_Macs_Local": 0},
			Devices: []l2gw.DeviceState{
				{Name: "ps1", TunnelIPs: []netip.Addr{netip.MustParseAddr("192.0.2.101")}, Ports: []l2gw.PortState{eth1, {Name: "eth2", Faults: []string{"DOWN"}}}},
				{Name: "ps2", TunnelIPs: []netip.Addr{netip.MustParseAddr("192.0.2.102")}},
			},
		},
		{Name: "rack2", Agent: "host1", Error: "connection refused"},
	}
}

func (s *switches) MACs(device string) ([]l2gw.MACEntry, bool) {
	mac, _ := l2gw.ParseMAC("fa:16:3e:00:00:01")
	return []l2gw.MACEntry{{
		NetworkID: scriptNetworks[0].ID, Origin: l2gw.MACProgrammed,
		Host: l2gw.Host{MAC: mac, VTEP: netip.MustParseAddr("10.77.0.11"), IPs: []netip.Addr{netip.MustParseAddr("10.5.0.11")}},
	}}, device == "ps1" || device == "ps2"
}

func (s *switches) Validate(_ context.Context, device string) (l2gw.Validation, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if device != "ps1" && device != "ps2" {
		return l2gw.Validation{}, l2gw.DeviceNotFound(device)
	}
	v := s.validation
	v.Device, v.Database = device, "rack1"
	return v, nil
}

func (s *switches) Agents() []l2gw.AgentState {
	s.mu.Lock()
	defer s.mu.Unlock()
	since := time.Date(2026, 11, 21, 1, 0, 0, 0, time.UTC)
	return []l2gw.AgentState{
		{
			Name: "host1", Version: "1.0", Address: "192.0.2.7:40000", Connected: true, Since: since,
			Databases: []l2gw.AgentDatabase{{Name: "rack1", Connected: true, Writer: true}, {Name: "rack2"}},
		},
		{Name: "host2", Version: "1.0", Address: "192.0.2.8:40000", Connected: !s.alone, Since: since, Databases: []l2gw.AgentDatabase{{Name: "rack1", Connected: !s.alone}}},
	}
}

// known is the start of each command.
func (s *switches) known(name string) error {
	if !slices.Contains([]string{"ps1", "ps2", "rack1", "rack2"}, name) {
		return l2gw.DeviceNotFound(name)
	}
	return s.refusal
}

func (s *switches) SetMode(_ context.Context, name string, mode l2gw.Mode) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	err := s.known(name)
	if err == nil {
		s.mode = mode
	}
	return err
}

func (s *switches) Release(_ context.Context, name, networkID string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	err := s.known(name)
	if err == nil {
		s.held = slices.DeleteFunc(slices.Clone(s.held), func(h l2gw.HeldRemoval) bool { return networkID == "" || h.NetworkID == networkID })
	}
	return err
}

func (s *switches) Resync(_ context.Context, name string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.known(name)
}
