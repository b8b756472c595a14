package inventory

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"l2gw"
)

const seen = `networks:
  - {name: lab, vni: 5001, mtu: 1450, description: "for all"}
  - {id: 7d0e2d22-8f3c-4c5b-9b40-3d1f3f6f0a01, name: theirs, vni: 5002, project_id: p1}
  - {name: given, vni: 5003, project_id: p1, shared: true}
  - name: vlan
    segments: [{network_type: vlan, physical_network: physnet1, segmentation_id: 150}]
  - name: both
    segments:
      - {network_type: vlan, physical_network: physnet1, segmentation_id: 151}
      - {network_type: vxlan, segmentation_id: 777}
  - name: two
    segments: [{network_type: vxlan, segmentation_id: 778}, {network_type: vxlan, segmentation_id: 779}]
hosts:
  - {name: compute-1, vtep: 10.77.0.11}
  - {name: compute-2, vtep: 10.77.0.12}
ports:
  - {network: lab, host: compute-1, mac: "fa:16:3e:00:00:01", ips: [10.5.0.11]}
  - network: theirs
    host: compute-2
    mac: "fa:16:3e:00:00:02"
    id: 91F48E55-4fc9-404a-98a5-3fda50465be4
    name: web
    description: "front end"
    status: DOWN
    device_id: vm-1
    device_owner: "compute:nova"
  - {network: vlan, host: compute-1, mac: "fa:16:3e:00:00:03"}
`

func directory(t testing.TB, text string) *l2gw.Directory {
	t.Helper()
	c, err := parse("f", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	u, _ := c.update(nil)
	return u.Directory
}

func TestAFileBecomesADirectory(t *testing.T) {
	d := directory(t, seen)
	vlan := []l2gw.NetworkSegment{{Type: "vlan", PhysicalNetwork: "physnet1", SegmentationID: 150}}
	want := []l2gw.Network{
		{Name: "both", VNI: 777, Shared: true, Segments: []l2gw.NetworkSegment{{Type: "vlan", PhysicalNetwork: "physnet1", SegmentationID: 151}, {Type: "vxlan", SegmentationID: 777}}},
		{Name: "given", VNI: 5003, ProjectID: "p1", Shared: true},
		{Name: "lab", VNI: 5001, MTU: 1450, Description: "for all", Shared: true},
		{ID: "7d0e2d22-8f3c-4c5b-9b40-3d1f3f6f0a01", Name: "theirs", VNI: 5002, ProjectID: "p1"},
		{Name: "two", Shared: true, Segments: []l2gw.NetworkSegment{{Type: "vxlan", SegmentationID: 778}, {Type: "vxlan", SegmentationID: 779}}},
		{Name: "vlan", Shared: true, Segments: vlan},
	}
	var got []l2gw.Network
	for i := range d.NetworkCount() {
		n := *d.Network(i)
		if want[i].ID == "" {
			want[i].ID = l2gw.NetworkIDFromName(want[i].Name)
		}
		if at, ok := d.FindNetwork(n.ID); !ok || at != i {
			t.Errorf("network %s is found at %d, %v; want %d", n.ID, at, ok, i)
		}
		got = append(got, n)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("networks (-want +got):\n%s", diff)
	}
	var ports []string
	for i := range d.PortCount() {
		p := d.Port(i)
		if at, ok := d.FindPort(p.ID()); !ok || at != i {
			t.Errorf("port %s is found at %d, %v; want %d", p.ID(), at, ok, i)
		}
		ports = append(ports, fmt.Sprint(p.ID(), " ", p.Network().Name, " ", p.MAC(), " ", p.HostName(), " ", p.IPs(), " ", p.ProjectID(), " ", p.Status(), " ", *p.Details()))
	}
	// The derived ids are part of what users rely on: they must never be others.
	wantPorts := []string{
		"059d5ac7-28d0-549b-a071-18a13e3f7201 vlan fa:16:3e:00:00:03 compute-1 []  ACTIVE {      }",
		"8aa06279-e689-52ef-a6f8-ba0bed0537a4 lab fa:16:3e:00:00:01 compute-1 [10.5.0.11]  ACTIVE {      }",
		"91f48e55-4fc9-404a-98a5-3fda50465be4 theirs fa:16:3e:00:00:02 compute-2 [] p1 DOWN {91f48e55-4fc9-404a-98a5-3fda50465be4 web front end  DOWN vm-1 compute:nova}",
	}
	if diff := cmp.Diff(wantPorts, ports); diff != "" {
		t.Errorf("ports (-want +got):\n%s", diff)
	}
	if _, ok := d.FindPort("91f48e55-4fc9-404a-98a5-3fda50465be5"); ok {
		t.Error("a port is found that is not there")
	}
}

func TestWhatHasNoVXLANIsSeenAndNotToldAsASegment(t *testing.T) {
	d, segs := directory(t, seen), segments(t, seen)
	if len(segs) != 4 {
		t.Errorf("%d segments, want 4", len(segs))
	}
	if both := segs[l2gw.NetworkIDFromName("both")]; both == nil || both.VNI != 777 {
		t.Errorf("segment of the network with VLAN and VXLAN: %+v", both)
	}
	for name, want := range map[string]l2gw.Code{"lab": "", "both": "", "vlan": l2gw.NotFound, "two": l2gw.Conflict} {
		i, ok := d.FindNetwork(l2gw.NetworkIDFromName(name))
		if got := l2gw.ErrorCode(d.Network(i).Connectable()); !ok || got != want {
			t.Errorf("network %s: connectable: %q, want %q", name, got, want)
		}
	}
}

// Only descriptions differ: no switch hears of it, clients do.
func TestADirectoryChangesWithoutItsSegments(t *testing.T) {
	c, err := parse("f", []byte(seen))
	if err != nil {
		t.Fatal(err)
	}
	_, have := c.update(nil)
	if c, err = parse("f", []byte(strings.NewReplacer("for all", "for some", "front end", "back end").Replace(seen))); err != nil {
		t.Fatal(err)
	}
	u, _ := c.update(have)
	if len(u.Changed)+len(u.Removed) != 0 {
		t.Errorf("%d segments changed and %d removed, want none", len(u.Changed), len(u.Removed))
	}
	i, _ := u.Directory.FindNetwork(l2gw.NetworkIDFromName("lab"))
	j, _ := u.Directory.FindPort("91f48e55-4fc9-404a-98a5-3fda50465be4")
	if n, p := u.Directory.Network(i), u.Directory.Port(j); n.Description != "for some" || p.Details().Description != "back end" {
		t.Errorf("descriptions %q and %q", n.Description, p.Details().Description)
	}
}

// In both lines of a migration stands one port: it keeps what only one line says.
func TestAPortThatMigratesIsOnePort(t *testing.T) {
	line := `  - {network: theirs, host: compute-1, mac: "fa:16:3e:00:00:02"`
	for more, want := range map[string]string{
		"": "web vm-1 DOWN", ", name: moved": "moved vm-1 DOWN",
		", id: 91f48e55-4fc9-404a-98a5-3fda50465be4, status: ACTIVE": "web vm-1 ACTIVE",
	} {
		d := directory(t, seen+line+more+"}\n")
		i, ok := d.FindPort("91f48e55-4fc9-404a-98a5-3fda50465be4")
		if !ok || d.PortCount() != 3 {
			t.Errorf("%q: %d ports, found %v", more, d.PortCount(), ok)
			continue
		}
		p := d.Port(i)
		if got := fmt.Sprint(p.Details().Name, " ", p.Details().DeviceID, " ", p.Status()); got != want || p.HostName() != "compute-1" {
			t.Errorf("%q: %s on %s, want %s on compute-1", more, got, p.HostName(), want)
		}
	}
}

func TestEachMistakeInWhatClientsSeeIsNamed(t *testing.T) {
	for _, row := range []struct{ old, new, want string }{
		{"shared: true", "shared: 1", `f:4: shared is the number 1: it must be true or false`},
		{"project_id: p1}", "project_id: 12}", `f:3: project_id is the number 12: it must be text; write it in quotes`},
		{`"for all"`, strings.Repeat("x", 256), `f:2: description has 256 characters: it may have 255`},
		{`"for all"`, "[]", `f:2: description is a list: it must be text`},
		{"name: given, vni: 5003", "name: given, vni: 5003, segments: []", `f:4: the network "given" has vni and segments: it needs one of them, as vni: 5001 is short for segments: [{network_type: vxlan, segmentation_id: 5001}]`},
		{"[{network_type: vlan, physical_network: physnet1, segmentation_id: 150}]", "[]", `f:6: segments is a list: it must be a list like [{network_type: vlan, physical_network: physnet1, segmentation_id: 100}]`},
		{"network_type: vlan, physical_network: physnet1, segmentation_id: 150", "network_type: vlna", `f:6: network_type "vlna" is unknown: it must be one of vxlan, vlan, flat, geneve, gre, local`},
		{"network_type: vlan, physical_network: physnet1, segmentation_id: 150", "segmentation_id: 150", `f:6: a segment has no network_type: it needs network_type`},
		{"physical_network: physnet1, segmentation_id: 150", "segmentation_id: 150", `f:6: the vlan segment has no physical_network: it must be the name of one, like physnet1`},
		{"segmentation_id: 150", "segmentation_id: 4095", `f:6: segmentation_id 4095 is out of range: it must be a number from 1 to 4094`},
		{", segmentation_id: 150", "", `f:6: the vlan segment has no segmentation_id: it must be a number from 1 to 4094`},
		{"network_type: vlan, physical_network: physnet1, segmentation_id: 150", "network_type: flat, physical_network: physnet1, segmentation_id: 150", `f:6: segmentation_id the number 150 stands in a flat segment, which has none: leave it out`},
		{"segmentation_id: 777", "segmentation_id: 777, physical_network: physnet1", `f:10: physical_network "physnet1" stands in a vxlan segment, which is on none: leave it out`},
		{"segmentation_id: 779", "segmentation_id: 5001", `f:12: segmentation_id 5001 is that of the network in line 2 already: each network needs its own`},
		{"91F48E55-4fc9-404a-98a5-3fda50465be4", "web-1", `f:21: the port's id "web-1" is not a UUID: it must look like 6ba7b810-9dad-11d1-80b4-00c04fd430c8; or leave it out, and it is derived from network and mac`},
		{"status: DOWN", "status: down", `f:24: status "down" is unknown: it must be one of ACTIVE, DOWN, BUILD, ERROR`},
		{"name: web", "name: [web]", `f:22: the port's name is a list: it must be text`},
		{"device_id: vm-1", "vm: 1", `f:25: a port has the unknown key "vm": known are network, host, mac, ips, id, name, description, project_id, status, device_id, device_owner`},
		{`"fa:16:3e:00:00:03"`, `"fa:16:3e:00:00:03", id: 91f48e55-4fc9-404a-98a5-3fda50465be4`, `f:27: the port's id "91f48e55-4fc9-404a-98a5-3fda50465be4" is that of the port in line 18 already: it must be its own`},
		{
			"vlan, host: compute-1, mac: \"fa:16:3e:00:00:03\"", "theirs, host: compute-1, mac: \"fa:16:3e:00:00:02\", id: 91f48e55-4fc9-404a-98a5-3fda50465be5",
			`f:27: the port's id "91f48e55-4fc9-404a-98a5-3fda50465be5" is another than that in line 18: while mac fa:16:3e:00:00:02 migrates, both lines are of one port`,
		},
	} {
		t.Run(row.new, func(t *testing.T) {
			text := strings.Replace(seen, row.old, row.new, 1)
			if text == seen {
				t.Fatalf("the sample has no %q", row.old)
			}
			_, err := parse("f", []byte(text))
			if err == nil {
				t.Fatal("no error")
			}
			if diff := cmp.Diff(row.want, err.Error()); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
