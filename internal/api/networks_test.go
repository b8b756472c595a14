package api_test

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"l2gw"
	"l2gw/internal/api"
	"l2gw/internal/oslo/policy"
)

// serveTo puts the API, with the policy that it has by default, before a caller.
func (w *world) serveTo(authenticate func(*http.Request) (api.Caller, error)) {
	rules, err := policy.New(api.Rules(), policy.Options{})
	if err != nil {
		w.t.Fatal(err)
	}
	w.handler = api.New(api.Options{
		Store: w.store, Status: w.ctl, Networks: w.ctl, Devices: w.ctl, Agents: w.ctl, Commands: w.ctl,
		Logger: slog.New(slog.NewJSONHandler(w.log, nil)), Authenticate: authenticate, Policy: rules,
	})
}

// sight is a directory of four networks and four ports in them.
func sight() *l2gw.Directory {
	host := func(n byte, ips ...string) l2gw.Host {
		h := l2gw.Host{MAC: l2gw.MAC{0xfa, 0x16, 0x3e, 0, 0, n}, VTEP: netip.AddrFrom4([4]byte{192, 0, 2, n})}
		for _, ip := range ips {
			h.IPs = append(h.IPs, netip.MustParseAddr(ip))
		}
		return h
	}
	network := func(n l2gw.Network, details *l2gw.PortDetails, hosts ...l2gw.Host) l2gw.DirectoryNetwork {
		d := l2gw.DirectoryNetwork{Network: n, Ports: map[l2gw.MAC]*l2gw.PortDetails{}}
		for _, h := range hosts {
			d.Hosts = d.Hosts.Set(h.MAC, h)
			d.Ports[h.MAC] = details
		}
		return d
	}
	return l2gw.NewDirectory([]l2gw.DirectoryNetwork{
		network(l2gw.Network{ID: net1, Name: "lab", VNI: 5001, MTU: 1450, Shared: true, Description: "for all"}, nil, host(1, "198.51.100.11"), host(2, "198.51.100.12", "2001:db8::12")),
		network(l2gw.Network{ID: net2, Name: "mine", VNI: 5002, ProjectID: "p1"}, &l2gw.PortDetails{
			ID: portOfMine, Name: "web", Status: l2gw.StatusDown, DeviceID: "vm-1", DeviceOwner: "compute:nova",
		}, host(3)),
		network(l2gw.Network{ID: vlanNet, Name: "vlan", ProjectID: "p2", Segments: []l2gw.NetworkSegment{{Type: "vlan", PhysicalNetwork: "physnet1", SegmentationID: 150}}}, nil, host(4)),
		network(l2gw.Network{ID: twoNet, Name: "two", ProjectID: "p2", Segments: []l2gw.NetworkSegment{{Type: "vxlan", SegmentationID: 778}, {Type: "vxlan", SegmentationID: 779}}}, nil),
	}, map[netip.Addr]string{netip.MustParseAddr("192.0.2.1"): "compute-1", netip.MustParseAddr("192.0.2.3"): "compute-3"})
}

const (
	vlanNet    = "c74a5ba1-4184-403d-97be-c3bb2ab84c71"
	twoNet     = "dc2d1d9d-aa16-4a0f-a7db-3f338a346c45"
	portOfMine = "91f48e55-4fc9-404a-98a5-3fda50465be4"
)

// column is what one attribute of each object of a list is.
func (w *world) column(collection, query, attribute string) []string {
	w.t.Helper()
	names := []string{}
	for _, x := range w.do(200, "GET", "/v2.0/"+collection+query, "")[collection].([]any) {
		names = append(names, fmt.Sprint(x.(map[string]any)[attribute]))
	}
	return names
}

func TestNetworksAreFoundByAnyAttributeAndComeInPages(t *testing.T) {
	w := newWorld(t)
	w.ctl.directory = sight()
	for query, want := range map[string]string{
		"": "lab mine two vlan", "?name=mine&name=lab": "lab mine", "?id=" + net2 + "&id=" + net1 + "&id=" + none: "lab mine", "?id=" + none: "",
		"?shared=True": "lab", "?project_id=p2": "two vlan", "?tenant_id=p2&limit=1": "two", "?mtu=1450": "lab", "?description=for+all": "lab",
		"?provider:network_type=vlan": "vlan", "?provider:network_type=vxlan": "lab mine two", "?provider:segmentation_id=779": "two",
		"?provider:physical_network=physnet1": "vlan", "?router:external=False": "lab mine two vlan", "?router:external=True": "", "?status=ACTIVE&admin_state_up=true": "lab mine two vlan",
		"?nonsense=1": "lab mine two vlan", "?tags=x": "", "?limit=2": "lab mine", "?limit=2&marker=" + net2: "two vlan", "?limit=1&page_reverse=True&marker=" + vlanNet: "two",
		"?limit=3&page_reverse=True": "mine two vlan", "?marker=" + net1 + "&id=" + net1 + "&id=" + vlanNet: "vlan", "?limit=1&id=" + net2 + "&id=" + vlanNet: "mine",
		"?sort_key=name&sort_dir=desc": "vlan two mine lab", "?sort_key=id&sort_dir=asc": "mine vlan two lab", "?sort_key=id&sort_dir=desc&limit=1&marker=" + net1: "two",
		"?sort_key=project_id&sort_dir=desc&sort_key=name&sort_dir=asc": "two vlan mine lab",
	} {
		if got := strings.Join(w.column("networks", query, "name"), " "); got != want {
			t.Errorf("%s: %q, want %q", query, got, want)
		}
	}
	w.refused(400, "InvalidInput", "Invalid input for operation: marker '"+none+"' could not be found.", "GET", "/v2.0/networks?marker="+none, "")
	w.refused(400, "HTTPBadRequest", "['bogus'] is invalid attribute for sort_keys", "GET", "/v2.0/networks?sort_key=bogus&sort_dir=asc", "")
	for _, collection := range []string{"networks", "ports", "agents"} {
		w.do(405, "POST", "/v2.0/"+collection, "{}")
		w.do(405, "PUT", "/v2.0/"+collection+"/"+net1, "{}")
		w.do(405, "DELETE", "/v2.0/"+collection+"/"+net1, "")
	}
}

func TestANetworkThatIsCarriedInSeveralWaysShowsItsSegments(t *testing.T) {
	w := newWorld(t)
	w.ctl.directory = sight()
	got := w.request("GET", "/v2.0/networks/"+twoNet+"?fields=name&fields=segments&fields=provider:network_type", "").Body.String()
	want := `{"network": {"name": "two", "segments": [{"provider:network_type": "vxlan", "provider:physical_network": null, "provider:segmentation_id": 778}, ` +
		`{"provider:network_type": "vxlan", "provider:physical_network": null, "provider:segmentation_id": 779}]}}`
	if got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
}

// What networking-l2gw answers for a network of another kind.
func TestANetworkWithoutOneVXLANSegmentCannotBeConnected(t *testing.T) {
	w := newWorld(t)
	w.ctl.directory = sight()
	g := w.gateway("g", `[{"name": "eth1"}]`)
	w.refused(404, "VxlanSegmentationIDNotFound", "vxlan segmentation id not found for the network '"+vlanNet+"'", "POST", "/v2.0/l2-gateway-connections", connectionBody(g, vlanNet, "5"))
	w.refused(409, "MultipleVxlanSegmentsFound", "Multiple Vxlan segments found for the network '"+twoNet+"'", "POST", "/v2.0/l2-gateway-connections", connectionBody(g, twoNet, "5"))
	w.connection(g, net1, "5")
}

func TestPortsAreShownAsNeutronShowsThem(t *testing.T) {
	w := newWorld(t)
	w.ctl.directory = sight()
	got := w.request("GET", "/v2.0/ports/"+portOfMine, "").Body.String()
	want := `{"port": {"id": "` + portOfMine + `", "name": "web", "network_id": "` + net2 + `", "tenant_id": "p1", "mac_address": "fa:16:3e:00:00:03", "admin_state_up": true, "status": "DOWN", ` +
		`"device_id": "vm-1", "device_owner": "compute:nova", "fixed_ips": [], "description": "", "binding:vnic_type": "normal", "binding:profile": {}, "binding:host_id": "compute-3", ` +
		`"binding:vif_type": "ovs", "binding:vif_details": {}, "tags": [], "project_id": "p1"}}`
	if got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
	w.refused(404, "PortNotFound", "Port "+none+" could not be found.", "GET", "/v2.0/ports/"+none, "")
}

func TestPortsAreFoundByAnyAttribute(t *testing.T) {
	w := newWorld(t)
	w.ctl.directory = sight()
	mac := func(n ...int) string {
		var all []string
		for _, i := range n {
			all = append(all, fmt.Sprintf("fa:16:3e:00:00:%02x", i))
		}
		return strings.Join(all, " ")
	}
	for query, want := range map[string]string{
		"": mac(1, 2, 3, 4), "?mac_address=FA:16:3E:00:00:02": mac(2), "?mac_address=fa-16-3e-00-00-02": mac(2), "?mac_address=x": "",
		"?network_id=" + net1: mac(1, 2), "?id=" + portOfMine: mac(3), "?name=web": mac(3), "?name=": mac(1, 2, 4), "?status=DOWN": mac(3),
		"?fixed_ips=ip_address%3D198.51.100.11": mac(1), "?fixed_ips=ip_address=2001:db8:0::12&fixed_ips=ip_address=198.51.100.11": mac(1, 2),
		"?fixed_ips=ip_address_substr%3D100.1": mac(1, 2), "?fixed_ips=subnet_id%3D" + none: "", "?fixed_ips=198.51.100.11": "",
		"?device_owner=compute:nova": mac(3), "?device_id=vm-1": mac(3), "?binding:host_id=compute-1": mac(1), "?project_id=p2": mac(4), "?network_id=" + net1 + "&binding:host_id=compute-3": "",
	} {
		got := w.column("ports", query, "mac_address")
		slices.Sort(got)
		if got := strings.Join(got, " "); got != want {
			t.Errorf("%s: %q, want %q", query, got, want)
		}
	}
	if got := strings.Join(w.column("ports", "?sort_key=mac_address&sort_dir=desc&limit=3", "mac_address"), " "); got != mac(4)+" "+mac(3)+" "+mac(2) {
		t.Errorf("sorted: %q", got)
	}
}

// Neutron's own rules: shared networks and one's own, and nothing of where they are.
func TestAMemberSeesItsOwnAndSharedNetworksWithoutTheProvider(t *testing.T) {
	w := newWorld(t)
	w.ctl.directory = sight()
	w.serveTo(member("p1"))
	for query, want := range map[string]string{"": "lab mine", "?limit=1": "lab", "?limit=2&marker=" + net1: "mine", "?name=vlan": "", "?project_id=p2": "", "?provider:segmentation_id=150": "lab mine"} {
		if got := strings.Join(w.column("networks", query, "name"), " "); got != want {
			t.Errorf("%s: %q, want %q", query, got, want)
		}
	}
	if body := w.request("GET", "/v2.0/networks", "").Body.String(); strings.Contains(body, "provider:") || strings.Contains(body, "5001") {
		t.Errorf("a member sees %s", body)
	}
	if body := w.request("GET", "/v2.0/ports", "").Body.String(); strings.Contains(body, "binding:") || strings.Contains(body, "compute-3") || !strings.Contains(body, portOfMine) || strings.Contains(body, "fa:16:3e:00:00:01") {
		t.Errorf("a member sees %s", body)
	}
	w.do(200, "GET", "/v2.0/networks/"+net1, "")
	w.refused(404, "NetworkNotFound", "Network "+vlanNet+" could not be found.", "GET", "/v2.0/networks/"+vlanNet, "")
	w.do(200, "GET", "/v2.0/extensions", "")
	w.do(200, "GET", "/v2.0/service-providers", "")
	w.do(403, "GET", "/v2.0/agents", "")
}

func TestAgentsAreListedAsNeutronListsThem(t *testing.T) {
	w := newWorld(t)
	w.ctl.agents = []l2gw.AgentState{
		{Name: "host1", Version: "1.0", Connected: true, Since: time.Date(2026, 11, 21, 1, 2, 3, 0, time.UTC), Databases: []l2gw.AgentDatabase{{Name: "tor1", Writer: true}, {Name: "tor2"}}},
		{Name: "host2", Since: time.Date(2026, 11, 20, 1, 2, 3, 0, time.UTC)},
	}
	list := w.do(200, "GET", "/v2.0/agents?agent_type=L2+Gateway+agent&binary=neutron-l2gateway-agent", "")["agents"].([]any)
	if len(list) != 2 {
		t.Fatalf("%d agents, want 2", len(list))
	}
	id := list[1].(map[string]any)["id"].(string)
	want := `{"agent": {"id": "` + id + `", "agent_type": "L2 Gateway agent", "binary": "neutron-l2gateway-agent", "topic": "l2gateway_agent", "host": "host2", "admin_state_up": true, ` +
		`"created_at": "2026-11-20 01:02:03", "started_at": "2026-11-20 01:02:03", "heartbeat_timestamp": "2026-11-20 01:02:03", "description": null, "resources_synced": null, ` +
		`"availability_zone": null, "alive": false, "configurations": {"version": "", "databases": [], "writes": []}}}`
	if got := w.request("GET", "/v2.0/agents/"+id, "").Body.String(); got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
	conf, _ := json.Marshal(list[0].(map[string]any)["configurations"])
	if got, want := string(conf), `{"databases":["tor1","tor2"],"version":"1.0","writes":["tor1"]}`; got != want {
		t.Errorf("configurations %s, want %s", got, want)
	}
	if got := w.column("agents", "?alive=False", "host"); len(got) != 1 || got[0] != "host2" {
		t.Errorf("not alive: %v", got)
	}
	w.refused(404, "AgentNotFound", "Agent nope could not be found.", "GET", "/v2.0/agents/nope", "")
}
