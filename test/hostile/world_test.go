package hostile

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"l2gw/test/product"
)

const (
	net1 = "fdfb8d1a-9f7f-4796-b9af-b650b7a1ba65"
	net2 = "3cbc0213-4d80-4d95-9d32-2cbf6f6cbb1f"
)

const inventory = `
networks:
- {id: ` + net1 + `, name: n1, vni: 10683, mtu: 1450}
- {id: ` + net2 + `, name: n2, vni: 10066, mtu: 1450}
hosts: []
ports: []
`

// world is a server with something in it that is worth to be spoilt.
type world struct {
	*product.Serve
	t                     testing.TB
	address               string
	gateways, connections []string // ids
}

func newWorld(t testing.TB, database string, args ...string) *world {
	t.Helper()
	cloud := product.NewCloud(t, inventory, product.CloudOptions{Servers: 1, Database: database, ServerArgs: args})
	cloud.Start()
	w := &world{Serve: cloud.Servers[0], t: t}
	w.address = strings.TrimPrefix(w.URL, "http://")
	for i, network := range []string{net1, net2} {
		id := w.CreateGateway(fmt.Sprintf("gw%d", i), product.Device{Name: "sw" + strconv.Itoa(i), Interfaces: []product.Interface{{Name: "eth1"}, {Name: "eth2"}}})
		w.gateways = append(w.gateways, id)
		w.connections = append(w.connections, w.Connect(id, network, "100"))
	}
	return w
}

// collections are all that a server keeps for its users.
var collections = []string{"l2-gateways", "l2-gateway-connections", "networks", "quotas"}

// kept is all that the server keeps, but for when and how often it was changed, and
// for how far that has become true, of which the controller hears later.
func (w *world) kept() string {
	var all strings.Builder
	for _, c := range collections {
		_, out := w.Do("GET", "/v2.0/"+c, nil)
		b, err := json.Marshal(out)
		if err != nil {
			w.t.Fatal(err)
		}
		all.Write(often.ReplaceAll(b, nil))
		all.WriteByte('\n')
	}
	return all.String()
}

var often = regexp.MustCompile(`"(updated_at|revision_number|status|status_reason)":("[^"]*"|[0-9]+),?|"bindings":\[[^]]*\],?`)

// memory is the resident size of the process, in bytes.
func (w *world) memory() (n int) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", w.Pid()))
	if err != nil {
		w.t.Fatal(err)
	}
	for line := range strings.Lines(string(b)) {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			if _, err := fmt.Sscan(rest, &n); err != nil {
				w.t.Fatal(err)
			}
		}
	}
	return n << 10
}

// gateway and connection are what an answer may look like.
type gateway struct {
	ID          string `json:"id"`
	Name        string `json:"name"`
	Description string `json:"description"`
	TenantID    string `json:"tenant_id"`
	ProjectID   string `json:"project_id"`
	Status      string `json:"status"`
	Reason      string `json:"status_reason"`
	CreatedAt   string `json:"created_at"`
	UpdatedAt   string `json:"updated_at"`
	Revision    int    `json:"revision_number"`
	Devices     []struct {
		Name       string `json:"device_name"`
		ID         string `json:"id"`
		Interfaces []struct {
			Name  string   `json:"name"`
			VLANs []string `json:"segmentation_id"`
		} `json:"interfaces"`
	} `json:"devices"`
}

type connection struct {
	ID          string          `json:"id"`
	GatewayID   string          `json:"l2_gateway_id"`
	NetworkID   string          `json:"network_id"`
	VLAN        json.RawMessage `json:"segmentation_id"`
	TenantID    string          `json:"tenant_id"`
	ProjectID   string          `json:"project_id"`
	Description string          `json:"description"`
	Status      string          `json:"status"`
	Reason      string          `json:"status_reason"`
	CreatedAt   string          `json:"created_at"`
	UpdatedAt   string          `json:"updated_at"`
	Revision    int             `json:"revision_number"`
	Bindings    json.RawMessage `json:"bindings"`
}

// strictly decodes what must have these fields and no others.
func strictly(b []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	return d.Decode(into)
}

// text checks what users may write: at most 255 characters, and nothing that no
// console shows.
func text(what, s string) error {
	if utf8.RuneCountInString(s) > 255 || !utf8.ValidString(s) || strings.ContainsAny(s, "\x00\ufffd") {
		return fmt.Errorf("%s is %.50q", what, s)
	}
	return nil
}

// sane says what is nonsensical about a gateway, or nil.
func (g *gateway) sane() error {
	for what, s := range map[string]string{"name": g.Name, "description": g.Description, "tenant_id": g.TenantID} {
		if err := text(what, s); err != nil {
			return err
		}
	}
	if len(g.Devices) == 0 || len(g.Devices) > 1000 || g.TenantID != g.ProjectID || g.ID == "" {
		return fmt.Errorf("%d devices, tenant %q, project %q", len(g.Devices), g.TenantID, g.ProjectID)
	}
	devices, tagged := map[string]bool{}, 0
	interfaces := 0
	for _, d := range g.Devices {
		if err := text("device_name", d.Name); err != nil || d.Name == "" || devices[d.Name] || len(d.Interfaces) == 0 {
			return fmt.Errorf("device %.50q has %d interfaces", d.Name, len(d.Interfaces))
		}
		devices[d.Name] = true
		names := map[string]bool{}
		for _, i := range d.Interfaces {
			if err := text("interface name", i.Name); err != nil || i.Name == "" || names[i.Name] {
				return fmt.Errorf("interface %.50q", i.Name)
			}
			names[i.Name] = true
			interfaces++
			if len(i.VLANs) > 0 {
				tagged++
			}
			vlans := map[int]bool{}
			for _, v := range i.VLANs {
				n, err := strconv.Atoi(v)
				if err != nil || n < 0 || n > 4094 || vlans[n] || strconv.Itoa(n) != v {
					return fmt.Errorf("segmentation_id %q", v)
				}
				vlans[n] = true
			}
		}
	}
	if tagged != 0 && tagged != interfaces {
		return fmt.Errorf("%d of %d interfaces have VLANs", tagged, interfaces)
	}
	return nil
}

// sane says what is nonsensical about a connection, or nil.
func (c *connection) sane(w *world) error {
	if err := text("tenant_id", c.TenantID); err != nil {
		return err
	}
	vlan := strings.TrimSpace(strings.Trim(string(c.VLAN), `"`)) // as it was sent: Neutron takes spaces
	n, err := strconv.Atoi(vlan)
	if vlan != "" && (err != nil || n < 0 || n > 4094 || strconv.Itoa(n) != vlan) {
		return fmt.Errorf("segmentation_id %s", c.VLAN)
	}
	if c.NetworkID != net1 && c.NetworkID != net2 {
		return fmt.Errorf("network_id %q", c.NetworkID)
	}
	for _, g := range w.gateways {
		if g == c.GatewayID {
			return nil
		}
	}
	return fmt.Errorf("l2_gateway_id %q", c.GatewayID)
}
