package heat

import (
	"encoding/json"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// rack is the template of docs/deploy/heat.md: a network on two gateways, one that
// knows its VLANs and one that is told.
func rack(t testing.TB) string {
	t.Helper()
	page, err := os.ReadFile("../../docs/deploy/heat.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(page), "```yaml\n")
	template, _, found := strings.Cut(rest, "```\n")
	if !found {
		t.Fatal("docs/deploy/heat.md has no template")
	}
	return template
}

// alone is one gateway.
const alone = `
heat_template_version: 2018-08-31
resources:
  gateway:
    type: OS::Neutron::L2Gateway
    properties:
      name: NAME
      devices:
      - device_name: sw1
        interfaces: [{name: eth1, segmentation_id: [100]}]
`

// connected is one gateway with a connection to a network that there is.
const connected = alone + `
  connection:
    type: OS::Neutron::L2GatewayConnection
    properties: {l2_gateway_id: {get_resource: gateway}, network_id: NETWORK}
`

func TestHeatRunsStacksOfGateways(t *testing.T) {
	o := newOrchestra(t)

	t.Run("it offers the resources", func(t *testing.T) {
		var offered struct {
			Types []string `json:"resource_types"`
		}
		o.heat(t, o.Admin).must(http.StatusOK, http.MethodGet, "/resource_types", nil, &offered)
		for _, name := range []string{"OS::Neutron::Net", "OS::Neutron::L2Gateway", "OS::Neutron::L2GatewayConnection"} {
			if !slices.Contains(offered.Types, name) {
				t.Errorf("not %s", name)
			}
		}
	})

	s := o.create(t, o.Admin, "rack", rack(t), "CREATE_COMPLETE")
	gateway, connection := o.one(t, "l2_gateways", "name=trunks"), o.one(t, "l2_gateway_connections", "segmentation_id=77")
	network := s.id(t, "blue")

	t.Run("what it made is what the template says", func(t *testing.T) {
		if got := devices(t, gateway); got != `sw1 eth1 100 200, sw1 eth2 300, sw2 eth1 100` {
			t.Errorf("trunks: %s", got)
		}
		if got := devices(t, o.one(t, "l2_gateways", "name=access")); got != `sw3 eth9` {
			t.Errorf("access: %s", got)
		}
		if gateway["project_id"] != o.Admin.ProjectID {
			t.Errorf("the gateway is of %v", gateway["project_id"])
		}
		if connection["network_id"] != network || len(o.list(t, "l2_gateway_connections", "network_id="+network)) != 2 {
			t.Errorf("connections: %v", o.list(t, "l2_gateway_connections", ""))
		}
	})

	t.Run("its attributes are what the API shows", func(t *testing.T) {
		got := s.outputs(t)
		for name, want := range map[string]object{"trunks": gateway, "accessed": connection} {
			shown, _ := got[name].(object)
			// What changes while switches are told.
			for _, o := range []object{shown, want} {
				for _, key := range []string{"status", "status_reason", "updated_at", "revision_number", "bindings"} {
					delete(o, key)
				}
			}
			if diff := cmp.Diff(want, shown); diff != "" {
				t.Errorf("%s (-API +Heat):\n%s", name, diff)
			}
		}
		if got["network"] != network {
			t.Errorf("network: %v, want %s", got["network"], network)
		}
	})

	t.Run("a gateway is changed and not replaced, with its connection", func(t *testing.T) {
		s.update(t, strings.NewReplacer("name: trunks", "name: renamed", "{name: eth2, segmentation_id: [300]}", "{name: eth3, segmentation_id: [301, 302]}"), "UPDATE_COMPLETE")
		now := o.one(t, "l2_gateways", "name=renamed")
		if now["id"] != gateway["id"] || s.id(t, "trunks") != gateway["id"] {
			t.Errorf("%v became %v", gateway["id"], now["id"])
		}
		if got := devices(t, now); got != `sw1 eth1 100 200, sw1 eth3 301 302, sw2 eth1 100` {
			t.Errorf("it has %s", got)
		}
		if len(o.list(t, "l2_gateway_connections", "l2_gateway_id="+s.id(t, "trunks"))) != 1 {
			t.Errorf("its connection: %v", o.list(t, "l2_gateway_connections", ""))
		}
		// PUT is about the devices that it names.
		s.update(t, strings.NewReplacer(`
      - device_name: sw2
        interfaces:
        - {name: eth1, segmentation_id: [100]}`, ""), "UPDATE_COMPLETE")
		if got := devices(t, o.one(t, "l2_gateways", "name=renamed")); got != `sw1 eth1 100 200, sw1 eth3 301 302, sw2 eth1 100` {
			t.Errorf("without sw2 it has %s", got)
		}
	})

	t.Run("what is taken already fails with our reason, and goes on when that is mended", func(t *testing.T) {
		template := strings.NewReplacer("NAME", "second", "NETWORK", network).Replace(connected)
		second := o.create(t, o.Admin, "second", template, "CREATE_FAILED")
		if got := second.resources(t); !strings.Contains(got, "connection: CREATE_FAILED: Conflict: resources.connection: Duplicate segmentation ID for the interface name=eth1") {
			t.Errorf("it says: %s", got)
		}
		second.update(t, strings.NewReplacer("eth1", "eth8"), "UPDATE_COMPLETE")
		o.one(t, "l2_gateway_connections", "l2_gateway_id="+second.id(t, "gateway"))
		second.delete(t)
		if left := o.list(t, "l2_gateways", "name=second"); len(left) != 0 {
			t.Errorf("left: %v", left)
		}
	})

	t.Run("who is no administrator is told so", func(t *testing.T) {
		members := o.create(t, o.member, "members", strings.ReplaceAll(alone, "NAME", "members"), "CREATE_FAILED")
		if got := members.resources(t); !strings.Contains(got, "User does not have admin privileges") {
			t.Errorf("it says: %s", got)
		}
		members.delete(t)
	})

	t.Run("a connection with another VLAN conflicts with the one that it is to replace", func(t *testing.T) {
		s.update(t, strings.NewReplacer("segmentation_id: 77", "segmentation_id: 78"), "UPDATE_FAILED")
		if got := s.resources(t); !strings.Contains(got, "accessed: CREATE_FAILED: Conflict: resources.accessed: The specified mapping") {
			t.Errorf("it says: %s", got)
		}
		s.update(t, strings.NewReplacer("segmentation_id: 78", "segmentation_id: 77"), "UPDATE_COMPLETE")
		if now := o.one(t, "l2_gateway_connections", "segmentation_id=77"); now["id"] != connection["id"] || s.id(t, "accessed") != connection["id"] {
			t.Errorf("%v became %v", connection["id"], now["id"])
		}
	})

	t.Run("what somebody has deleted cannot be changed, and is deleted", func(t *testing.T) {
		gone := o.create(t, o.Admin, "gone", strings.ReplaceAll(alone, "NAME", "gone"), "CREATE_COMPLETE")
		id := gone.id(t, "gateway")
		o.networks(t).must(http.StatusNoContent, http.MethodDelete, "/v2.0/l2-gateways/"+id, nil, nil)
		if why := gone.update(t, strings.NewReplacer("name: gone", "name: back"), "UPDATE_FAILED"); !strings.Contains(why, "L2 Gateway "+id+" could not be found") {
			t.Errorf("it says: %s", why)
		}
		gone.delete(t)
	})

	t.Run("a gateway that others use is kept until they do not", func(t *testing.T) {
		used := o.create(t, o.Admin, "used", strings.NewReplacer("NAME", "used", "eth1", "eth7").Replace(alone), "CREATE_COMPLETE")
		var made struct {
			Connection struct{ ID string } `json:"l2_gateway_connection"`
		}
		o.networks(t).must(http.StatusCreated, http.MethodPost, "/v2.0/l2-gateway-connections",
			object{"l2_gateway_connection": object{"l2_gateway_id": used.id(t, "gateway"), "network_id": network}}, &made)
		used.in(t).must(http.StatusNoContent, http.MethodDelete, used.path, nil, nil)
		if why := used.becomes(t, "DELETE_FAILED"); !strings.Contains(why, "still has active mappings") {
			t.Errorf("it says: %s", why)
		}
		o.networks(t).must(http.StatusNoContent, http.MethodDelete, "/v2.0/l2-gateway-connections/"+made.Connection.ID, nil, nil)
		used.delete(t)
	})

	t.Run("it deletes all that it made", func(t *testing.T) {
		s.delete(t)
		for _, collection := range []string{"networks", "l2_gateways", "l2_gateway_connections"} {
			if left := o.list(t, collection, ""); len(left) != 0 {
				t.Errorf("%s: %v", collection, left)
			}
		}
	})

	t.Run("without the product it offers none of them", func(t *testing.T) {
		o.Keystone.SetEndpoint(t, o.Neutron)
		status, text := o.heat(t, o.Admin).do(http.MethodPost, "/stacks",
			object{"stack_name": "nowhere", "template": strings.ReplaceAll(alone, "NAME", "nowhere"), "timeout_mins": 5}, nil)
		if status != http.StatusBadRequest || !strings.Contains(text, "Required extension l2-gateway in neutron service is not available") {
			t.Errorf("%d %s", status, text)
		}
	})
}

// devices says what a gateway has, shortly.
func devices(t testing.TB, gateway object) string {
	t.Helper()
	b, err := json.Marshal(gateway["devices"])
	if err != nil {
		t.Fatal(err)
	}
	var list []struct {
		Name       string `json:"device_name"`
		Interfaces []struct {
			Name  string
			VLANs []string `json:"segmentation_id"`
		}
	}
	if err := json.Unmarshal(b, &list); err != nil {
		t.Fatalf("%v in %s", err, b)
	}
	var all []string
	for _, d := range list {
		for _, i := range d.Interfaces {
			all = append(all, strings.Join(append([]string{d.Name, i.Name}, i.VLANs...), " "))
		}
	}
	return strings.Join(all, ", ")
}
