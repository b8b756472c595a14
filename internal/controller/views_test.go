package controller

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"l2gw"
	"l2gw/internal/inventory"
)

func TestADatabaseWithRowsOfOursThatNobodyServesIsTold(t *testing.T) {
	c := New(Options{Store: &memory{owned: map[string]l2gw.Ownership{"tor1": {Networks: map[string]l2gw.VNI{"net-a": 5001}}}}})
	if err := c.load(t.Context()); err != nil {
		t.Fatal(err)
	}
	// What an agent told of it before that went away is not what is so now.
	c.locked(func() {
		c.state.databases["tor1"].observed = l2gw.DatabaseState{Name: "tor1", Connected: true, InSync: true, Schema: "1.7.0"}
	})
	want := []l2gw.DatabaseState{{Name: "tor1", Schema: "1.7.0", Error: "no agent serves it"}}
	if diff := cmp.Diff(want, c.Databases()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// A network that loses its VXLAN segment is not gone, and people are told so.
func TestABoundNetworkWithoutVXLANIsAnErrorThatSaysSo(t *testing.T) {
	const id = "7d0e2d22-8f3c-4c5b-9b40-3d1f3f6f0a01"
	c := New(Options{Store: &memory{}})
	b := l2gw.Binding{BindingKey: l2gw.BindingKey{Device: "ps1", Interface: "eth1", VLAN: 5}, NetworkID: id}
	vlan := l2gw.Network{ID: id, Segments: []l2gw.NetworkSegment{{Type: "vlan", PhysicalNetwork: "physnet1", SegmentationID: 5}}}
	for _, row := range []struct {
		networks []l2gw.DirectoryNetwork
		want     string
	}{
		{nil, "network " + id + " is not in the inventory"},
		{[]l2gw.DirectoryNetwork{{Network: vlan}}, "vxlan segmentation id not found for the network '" + id + "'"},
	} {
		c.takeInventory(t.Context(), inventory.Update{Complete: true, Directory: l2gw.NewDirectory(row.networks, nil)})
		if status, reason := c.state.bindingStatus(b); status != l2gw.StatusError || reason != row.want {
			t.Errorf("%s %q, want ERROR %q", status, reason, row.want)
		}
	}
	if n, err := c.Network(t.Context(), id); err != nil || n.Segments == nil {
		t.Errorf("network %+v, %v", n, err)
	}
}

func TestASourceWithoutADirectoryStillShowsItsNetworks(t *testing.T) {
	c := New(Options{Store: &memory{}})
	if _, err := c.Directory(t.Context()); l2gw.ErrorCode(err) != l2gw.Unavailable {
		t.Errorf("before anything is known: %v, want Unavailable", err)
	}
	c.takeInventory(t.Context(), inventory.Update{Complete: true, Changed: []inventory.Change{{Segment: &l2gw.Segment{NetworkID: "n1", Name: "one", VNI: 5}}}})
	d, err := c.Directory(t.Context())
	if err != nil || d.NetworkCount() != 1 || d.Network(0).VNI != 5 || !d.Network(0).Shared {
		t.Errorf("directory %+v, %v", d, err)
	}
}
