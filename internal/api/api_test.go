package api_test

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"l2gw"
	"l2gw/internal/api"
	"l2gw/internal/store"
)

// world is the API over a real store, and a controller that says what the test puts in.
type world struct {
	t       testing.TB
	handler http.Handler
	store   *store.Store
	log     *bytes.Buffer
	ctl     *controller
	// options are what the API is made of beside the store and the controller.
	options api.Options
}

// controller stands for what the controller tells the API.
type controller struct {
	networks    map[string]l2gw.Network
	directory   *l2gw.Directory // nil: made of networks
	unavailable bool
	inventory   l2gw.InventoryState
	databases   []l2gw.DatabaseState
	macs        []l2gw.MACEntry
	validation  l2gw.Validation
	bindings    map[string][]l2gw.BindingStatus
	agents      []l2gw.AgentState
	commands    []string // that were given
	refusal     error    // of commands
}

func (c *controller) Connection(id string) (l2gw.Status, string, []l2gw.BindingStatus) {
	if b := c.bindings[id]; b != nil {
		return b[0].Status, b[0].Reason, b
	}
	return l2gw.StatusBuild, "the controller has not seen it yet", nil
}

func (c *controller) Gateway(string) (l2gw.Status, string) { return l2gw.StatusActive, "" }

func (c *controller) Network(_ context.Context, id string) (l2gw.Network, error) {
	if c.unavailable {
		return l2gw.Network{}, l2gw.ServiceUnavailable("The inventory", nil)
	}
	if c.directory != nil {
		if i, ok := c.directory.FindNetwork(id); ok {
			return *c.directory.Network(i), nil
		}
	}
	n, ok := c.networks[id]
	if !ok {
		return n, l2gw.NetworkNotFound(id)
	}
	return n, nil
}

func (c *controller) Directory(context.Context) (*l2gw.Directory, error) {
	if c.unavailable {
		return nil, l2gw.ServiceUnavailable("The inventory", nil)
	}
	if c.directory != nil {
		return c.directory, nil
	}
	var all []l2gw.DirectoryNetwork
	for n := range maps.Values(c.networks) {
		all = append(all, l2gw.DirectoryNetwork{Network: n})
	}
	return l2gw.NewDirectory(all, nil), nil
}

func (c *controller) Inventory() l2gw.InventoryState { return c.inventory }

func (c *controller) Databases() []l2gw.DatabaseState { return c.databases }

func (c *controller) MACs(device string) ([]l2gw.MACEntry, bool) { return c.macs, device == "ps1" }

func (c *controller) Validate(_ context.Context, device string) (l2gw.Validation, error) {
	if device != "ps1" {
		return l2gw.Validation{}, l2gw.DeviceNotFound(device)
	}
	return c.validation, nil
}

const (
	net1 = "fdfb8d1a-9f7f-4796-b9af-b650b7a1ba65"
	net2 = "3cbc0213-4d80-4d95-9d32-2cbf6f6cbb1f"
	// sharedNet is of another project than net1 and net2, and for all.
	sharedNet = "9c7ab7f1-29d3-46e1-8b37-b7b5fdb5b1a4"

	none = "00000000-0000-0000-0000-000000000000"
)

func newWorld(t testing.TB) *world {
	t.Helper()
	st, err := store.Open(t.Context(), "sqlite:///"+filepath.Join(t.TempDir(), "l2gw.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = st.Close() })
	ctl := &controller{
		networks: map[string]l2gw.Network{
			net1:      {ID: net1, Name: "n1", VNI: 10683, MTU: 1450},
			net2:      {ID: net2, Name: "n2", VNI: 10066, MTU: 1450, ProjectID: "p2"},
			sharedNet: {ID: sharedNet, Name: "n3", VNI: 10067, MTU: 1450, ProjectID: "p3", Shared: true},
		},
		databases: []l2gw.DatabaseState{{
			Name: "ovsdb1", Agent: "host1", Connected: true, InSync: true, Schema: "1.7.0",
			SyncedAt: time.Date(2026, 11, 21, 1, 2, 3, 0, time.UTC),
			Losses:   []string{"no replication_mode"}, Rows: map[string]int{"Ucast_Macs_Remote": 2, "Logical_Switch": 1},
			Devices: []l2gw.DeviceState{{
				Name: "ps1", TunnelIPs: []netip.Addr{netip.MustParseAddr("192.0.2.101")},
				Ports: []l2gw.PortState{{Name: "eth1", Bindings: []l2gw.PortBinding{{VLAN: 5, LogicalSwitch: net1, Ours: true}}}},
			}},
		}, {Name: "ovsdb2", Error: "connection refused"}},
	}
	w := &world{t: t, store: st, ctl: ctl, log: &bytes.Buffer{}}
	w.serve(st)
	return w
}

// serve puts the API before a store.
func (w *world) serve(st api.Store) {
	o := w.options
	o.Store, o.Status, o.Networks, o.Devices = st, w.ctl, w.ctl, w.ctl
	o.Agents, o.Commands = w.ctl, w.ctl
	o.Logger = slog.New(slog.NewJSONHandler(w.log, nil))
	w.handler = api.New(o)
}

// request sends a request as it comes over the wire and returns the answer, which
// has to be as the OpenAPI document says.
func (w *world) request(method, target, body string, headers ...string) *httptest.ResponseRecorder {
	w.t.Helper()
	r := httptest.NewRequestWithContext(w.t.Context(), method, "http://127.0.0.1:9696"+target, strings.NewReader(body))
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	rec := httptest.NewRecorder()
	w.handler.ServeHTTP(rec, r)
	if id := rec.Header().Get("X-Openstack-Request-Id"); !strings.HasPrefix(id, "req-") {
		w.t.Errorf("%s %s: X-Openstack-Request-Id is %q", method, target, id)
	}
	checkAnswer(w.t, method, target, rec)
	return rec
}

// do expects a status and returns the decoded body.
func (w *world) do(status int, method, target, body string, headers ...string) map[string]any {
	w.t.Helper()
	rec := w.request(method, target, body, headers...)
	if rec.Code != status {
		w.t.Fatalf("%s %s %s: %d %s, want %d", method, target, body, rec.Code, rec.Body, status)
	}
	if rec.Body.Len() == 0 {
		return nil
	}
	var v map[string]any
	if err := json.Unmarshal(rec.Body.Bytes(), &v); err != nil {
		w.t.Fatalf("%s %s: %v in %s", method, target, err, rec.Body)
	}
	return v
}

// refused expects an error of Neutron's form.
func (w *world) refused(status int, typ, message, method, target, body string) {
	w.t.Helper()
	v := w.do(status, method, target, body)
	e, _ := v["NeutronError"].(map[string]any)
	if e["type"] != typ || e["message"] != message || e["detail"] != "" {
		w.t.Errorf("%s %s %.200s:\n got %v: %v\nwant %v: %v", method, target, body, e["type"], e["message"], typ, message)
	}
}

// gateway creates a gateway of ps1 with these interfaces and returns its id.
func (w *world) gateway(name, interfaces string) string {
	w.t.Helper()
	v := w.do(201, "POST", "/v2.0/l2-gateways", `{"l2_gateway": {"name": "`+name+`", "devices": [{"device_name": "ps1", "interfaces": `+interfaces+`}]}}`)
	return v["l2_gateway"].(map[string]any)["id"].(string)
}

// connection creates a connection and returns its id.
func (w *world) connection(gateway, network, segmentationID string) string {
	w.t.Helper()
	v := w.do(201, "POST", "/v2.0/l2-gateway-connections", connectionBody(gateway, network, segmentationID))
	return v["l2_gateway_connection"].(map[string]any)["id"].(string)
}

func connectionBody(gateway, network, segmentationID string) string {
	return `{"l2_gateway_connection": {"l2_gateway_id": "` + gateway + `", "network_id": "` + network + `", "segmentation_id": "` + segmentationID + `"}}`
}
