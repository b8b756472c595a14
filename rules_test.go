package l2gw_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"l2gw"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func device(name string, interfaces ...l2gw.Interface) l2gw.Device {
	return l2gw.Device{Name: name, Interfaces: interfaces}
}

func port(name string, vlans ...l2gw.VLAN) l2gw.Interface {
	return l2gw.Interface{Name: name, VLANs: vlans}
}

func devices(d ...l2gw.Device) *l2gw.Gateway { return &l2gw.Gateway{Devices: d} }

// says reports whether err is an [*l2gw.Error] of this code and type whose message holds text.
func says(err error, code l2gw.Code, kind, text string) bool {
	e, ok := errors.AsType[*l2gw.Error](err)
	return ok && e.Code == code && e.Type == kind && strings.Contains(e.Message, text) && l2gw.ErrorCode(fmt.Errorf("wrapped: %w", err)) == code
}

func TestAWrongGatewayIsRefusedWithNeutronsWords(t *testing.T) {
	long := strings.Repeat("é", 256)
	const badRequest = "HTTPBadRequest"
	var tooMany []l2gw.Device
	for i := range 1_001 {
		tooMany = append(tooMany, device(fmt.Sprint("ps", i), port("eth1")))
	}
	var vlans []l2gw.VLAN
	for v := range l2gw.MaxVLAN + 1 {
		vlans = append(vlans, v)
	}
	for _, test := range []struct {
		gateway *l2gw.Gateway
		code    l2gw.Code
		kind    string
		text    string
	}{
		{devices(), l2gw.Invalid, badRequest, "Invalid input for devices. Reason: Cannot create a gateway with an empty device list."},
		{devices(device("", port("eth1"))), l2gw.Invalid, badRequest, "Cannot create a gateway with an empty device_name."},
		{devices(device("ps1")), l2gw.Invalid, badRequest, "Cannot create a gateway with an empty interfaces."},
		{devices(device("ps1", port(""))), l2gw.Invalid, badRequest, "Cannot create a gateway with an empty interface name."},
		{devices(device("ps1", port("eth1", 4095))), l2gw.Invalid, "InvalidInput", "Invalid input for operation: Segmentation id is out of range."},
		{devices(device("ps1", port("eth1", 5), port("eth2"))), l2gw.Conflict, "L2GatewaySegmentationRequired", "L2 gateway segmentation id must be consistent for all the interfaces"},
		{devices(device("ps1", port("eth1"), port("eth2", 0))), l2gw.Conflict, "L2GatewaySegmentationRequired", "consistent"},
		// A wrong value is told before a conflict.
		{devices(device("ps1", port("eth1", 5), port("eth2")), device("ps2", port("eth1", 5000))), l2gw.Invalid, "InvalidInput", "out of range"},
		{devices(device("ps1", port("eth1")), device("ps1", port("eth2"))), l2gw.Invalid, badRequest, "device 'ps1' is given twice"},
		{devices(device("ps1", port("eth1"), port("eth1"))), l2gw.Invalid, badRequest, "interface 'eth1' of device 'ps1' is given twice"},
		{devices(device("ps1", port("eth1", 7, 7))), l2gw.Invalid, badRequest, "segmentation_id 7 of interface 'eth1'"},
		{devices(device(long, port("eth1"))), l2gw.Invalid, badRequest, "exceeds maximum length of 255"},
		{devices(device("ps1", port(long))), l2gw.Invalid, badRequest, "exceeds maximum length of 255"},
		{devices(device("a\x00", port("eth1"))), l2gw.Invalid, badRequest, "NUL"},
		{devices(device("\xff", port("eth1"))), l2gw.Invalid, badRequest, "UTF-8"},
		{&l2gw.Gateway{Name: long, Devices: devices(device("ps1", port("eth1"))).Devices}, l2gw.Invalid, badRequest, "Invalid input for name. Reason: "},
		{&l2gw.Gateway{Name: "a\x00b", Devices: devices(device("ps1", port("eth1"))).Devices}, l2gw.Invalid, badRequest, "NUL"},
		{&l2gw.Gateway{ProjectID: long, Devices: devices(device("ps1", port("eth1"))).Devices}, l2gw.Invalid, badRequest, "project_id"},
		{devices(tooMany...), l2gw.Invalid, badRequest, "the limit is 1000"},
		{devices(device("ps1", port("eth1", vlans...), port("eth2", vlans...), port("eth3", vlans...))), l2gw.Invalid, badRequest, "the limit is 10000"},
	} {
		if err := test.gateway.Validate(); !says(err, test.code, test.kind, test.text) {
			t.Errorf("%.60v: %v, want %s %s", *test.gateway, err, test.kind, test.text)
		}
	}
	for _, good := range []*l2gw.Gateway{
		devices(device("ps1", port("eth1", 0, 4094), port("eth2", 5)), device("ps2", port("eth1"))),
		{Name: strings.Repeat("日", 255), Devices: devices(device("ps1", port("eth 1/2"))).Devices},
	} {
		if err := good.Validate(); err != nil {
			t.Errorf("%.60v: %v", *good, err)
		}
	}
}

func TestVLANsAreReadAsNeutronReadsThem(t *testing.T) {
	for text, want := range map[string]int{
		"0": 0, "4094": 4094, " 5 ": 5, "007": 7, "+3": 3, "-0": 0,
		"4095": -1, "-1": -1, "99999999999999999999": -1, " -00012": -1,
		"": -2, " ": -2, "abc": -2, "1e2": -2, "1.5": -2, "5 5": -2, "0x10": -2, "-": -2, "+-5": -2, "5-": -2, "٣": -2,
	} {
		v, err := l2gw.ParseVLAN(text)
		switch {
		case want >= 0 && (err != nil || int(v) != want):
			t.Errorf("%q: %d, %v; want %d", text, v, err, want)
		case want == -1 && !says(err, l2gw.Invalid, "InvalidInput", "Segmentation id is out of range."):
			t.Errorf("%q: %v; want out of range", text, err)
		case want == -2 && !says(err, l2gw.Invalid, "InvalidInput", "Segmentation id must be a valid integer."):
			t.Errorf("%q: %d, %v; want not an integer", text, v, err)
		}
	}
}

func TestAConnectionBindsTheGatewaysVLANsOrItsOwn(t *testing.T) {
	plain := devices(device("ps1", port("eth1"), port("eth2")), device("ps2", port("eth1")))
	own := devices(device("ps1", port("eth1", 20, 10), port("eth2", 0)))
	mixed := devices(device("ps1", port("eth1", 5)), device("ps2", port("eth1")))
	v := new(l2gw.VLAN(100))
	for _, test := range []struct {
		name    string
		gateway *l2gw.Gateway
		vlan    *l2gw.VLAN
		refused string
		places  string
	}{
		{"its own", plain, v, "", "ps1/eth1 VLAN 100, ps1/eth2 VLAN 100, ps2/eth1 VLAN 100"},
		{"untagged", plain, new(l2gw.VLAN), "", "ps1/eth1 untagged, ps1/eth2 untagged, ps2/eth1 untagged"},
		{"the gateway's", own, nil, "", "ps1/eth1 VLAN 20, ps1/eth1 VLAN 10, ps1/eth2 untagged"},
		{"each where it belongs", mixed, v, "", "ps1/eth1 VLAN 5, ps2/eth1 VLAN 100"},
		{"none", plain, nil, "must be specified", ""},
		{"none for some", mixed, nil, "must be specified", ""},
		{"two", own, v, "should not be provided", ""},
		{"untagged and another", own, new(l2gw.VLAN), "should not be provided", ""},
		{"out of range", plain, new(l2gw.VLAN(4095)), "out of range", ""},
	} {
		err := l2gw.CheckConnection(test.gateway, test.vlan)
		if test.refused != "" {
			if !says(err, l2gw.Invalid, "InvalidInput", test.refused) {
				t.Errorf("%s: %v", test.name, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", test.name, err)
		}
		var places []string
		for _, b := range l2gw.Expand(test.gateway, &l2gw.Connection{ID: "c", NetworkID: "n", VLAN: test.vlan}) {
			if b.ConnectionID != "c" || b.NetworkID != "n" {
				t.Errorf("%s: %+v", test.name, b)
			}
			places = append(places, b.String())
		}
		if got := strings.Join(places, ", "); got != test.places {
			t.Errorf("%s: %s, want %s", test.name, got, test.places)
		}
	}
}

func TestAnUpdateReplacesAddsAndRemovesDevices(t *testing.T) {
	start := func() *l2gw.Gateway {
		g := devices(device("ps1", port("eth1"), port("eth2")), device("ps2", port("eth1", 5)))
		g.Name, g.Devices[0].ID, g.Devices[1].ID = "gw", "id1", "id2"
		return g
	}
	for _, test := range []struct {
		name   string
		update l2gw.GatewayUpdate
		want   string // device:interfaces
		code   l2gw.Code
		kind   string
	}{
		{"nothing", l2gw.GatewayUpdate{}, "gw ps1:eth1,eth2 ps2:eth1", "", ""},
		{"a name", l2gw.GatewayUpdate{Name: new("")}, " ps1:eth1,eth2 ps2:eth1", "", ""},
		{"one of two", l2gw.GatewayUpdate{Devices: []l2gw.Device{device("ps1", port("eth3"))}}, "gw ps1:eth3 ps2:eth1", "", ""},
		{"one more", l2gw.GatewayUpdate{Devices: []l2gw.Device{device("ps3", port("eth1", 7))}}, "gw ps1:eth1,eth2 ps2:eth1 ps3:eth1", "", ""},
		{"one less", l2gw.GatewayUpdate{RemoveDevices: []string{"ps1"}}, "gw ps2:eth1", "", ""},
		{"another for all", l2gw.GatewayUpdate{RemoveDevices: []string{"ps1", "ps2"}, Devices: []l2gw.Device{device("ps3", port("eth1"))}}, "gw ps3:eth1", "", ""},
		{"an empty list", l2gw.GatewayUpdate{Devices: []l2gw.Device{}}, "", l2gw.Invalid, "HTTPBadRequest"},
		{"no interfaces", l2gw.GatewayUpdate{Devices: []l2gw.Device{device("ps1")}}, "", l2gw.Invalid, "HTTPBadRequest"},
		{"VLANs where none were", l2gw.GatewayUpdate{Devices: []l2gw.Device{device("ps1", port("eth1", 5))}}, "", l2gw.Conflict, "L2GatewaySegmentationIDNotExists"},
		{"none where VLANs were", l2gw.GatewayUpdate{Devices: []l2gw.Device{device("ps2", port("eth1"))}}, "", l2gw.Conflict, "L2GatewaySegmentationIDExists"},
		{"inconsistent", l2gw.GatewayUpdate{Devices: []l2gw.Device{device("ps1", port("eth1", 5), port("eth2"))}}, "", l2gw.Conflict, "L2GatewaySegmentationRequired"},
		{"all away", l2gw.GatewayUpdate{RemoveDevices: []string{"ps1", "ps2"}}, "", l2gw.Invalid, "HTTPBadRequest"},
		{"an unknown one away", l2gw.GatewayUpdate{RemoveDevices: []string{"ps9"}}, "", l2gw.NotFound, "L2GatewayDeviceNotFound"},
		{"one away twice", l2gw.GatewayUpdate{RemoveDevices: []string{"ps1", "ps1"}}, "", l2gw.Invalid, "HTTPBadRequest"},
		{"one away and changed", l2gw.GatewayUpdate{RemoveDevices: []string{"ps1"}, Devices: []l2gw.Device{device("ps1", port("eth3"))}}, "", l2gw.Invalid, "HTTPBadRequest"},
		{"a long name", l2gw.GatewayUpdate{Name: new(strings.Repeat("n", 256))}, "", l2gw.Invalid, "HTTPBadRequest"},
	} {
		g := start()
		err := g.Apply(test.update)
		if test.code != "" {
			if !says(err, test.code, test.kind, "") {
				t.Errorf("%s: %v, want %s", test.name, err, test.kind)
			}
			if diff := cmp.Diff(start(), g); diff != "" {
				t.Errorf("%s: a refused update left a trace\n%s", test.name, diff)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", test.name, err)
			continue
		}
		got := g.Name
		for _, d := range g.Devices {
			var names []string
			for _, i := range d.Interfaces {
				names = append(names, i.Name)
			}
			got += " " + d.Name + ":" + strings.Join(names, ",")
			if d.Name == "ps1" && d.ID != "id1" || d.Name == "ps2" && d.ID != "id2" || d.Name == "ps3" && d.ID != "" {
				t.Errorf("%s: device %s has the id %q", test.name, d.Name, d.ID)
			}
		}
		if got != test.want {
			t.Errorf("%s: %q, want %q", test.name, got, test.want)
		}
	}
}

// Whatever a valid gateway and connection are, each interface is bound at least
// once, each place once, and not more than the limit.
func TestEveryInterfaceOfAValidGatewayIsBound(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := &l2gw.Gateway{}
		for range rapid.IntRange(1, 4).Draw(t, "devices") {
			d := device(rapid.SampledFrom([]string{"ps1", "ps2", "ps3", "ps4"}).Draw(t, "device"))
			for range rapid.IntRange(1, 3).Draw(t, "interfaces") {
				d.Interfaces = append(d.Interfaces, port(
					rapid.SampledFrom([]string{"eth1", "eth2", "eth3"}).Draw(t, "interface"),
					rapid.SliceOfN(rapid.SampledFrom([]l2gw.VLAN{0, 1, 2, 4094, 4095}), 0, 2).Draw(t, "vlans")...))
			}
			g.Devices = append(g.Devices, d)
		}
		c := &l2gw.Connection{NetworkID: "n"}
		if rapid.Bool().Draw(t, "with VLAN") {
			c.VLAN = new(l2gw.VLAN(7))
		}
		if g.Validate() != nil || l2gw.CheckConnection(g, c.VLAN) != nil {
			return
		}
		ports, places := map[string]bool{}, map[l2gw.BindingKey]bool{}
		for _, b := range l2gw.Expand(g, c) {
			ports[b.Device+"/"+b.Interface] = true
			if places[b.BindingKey] {
				t.Fatalf("%s is bound twice", b)
			}
			places[b.BindingKey] = true
		}
		for _, d := range g.Devices {
			for _, i := range d.Interfaces {
				if !ports[d.Name+"/"+i.Name] {
					t.Fatalf("%s/%s is not bound", d.Name, i.Name)
				}
			}
		}
	})
}

func TestErrorsCarryNeutronsTypesAndWords(t *testing.T) {
	for _, test := range []struct {
		err        *l2gw.Error
		code       l2gw.Code
		kind, text string
	}{
		{err: l2gw.GatewayNotFound("gw1"), code: l2gw.NotFound, kind: "L2GatewayNotFound", text: "L2 Gateway gw1 could not be found"},
		{err: l2gw.ConnectionNotFound("c1"), code: l2gw.NotFound, kind: "L2GatewayConnectionNotFound", text: "The connection c1 not found on the l2 gateway"},
		{err: l2gw.DeviceNotFound("ps2"), code: l2gw.NotFound, kind: "L2GatewayDeviceNotFound", text: "L2 Gateway Device ps2 could not be found."},
		{err: l2gw.NetworkNotFound("n1"), code: l2gw.NotFound, kind: "NetworkNotFound", text: "Network n1 could not be found."},
		{err: l2gw.NetworkWithoutVXLAN("n1"), code: l2gw.NotFound, kind: "VxlanSegmentationIDNotFound", text: "vxlan segmentation id not found for the network 'n1'"},
		{err: l2gw.MultipleVXLANSegments("n1"), code: l2gw.Conflict, kind: "MultipleVxlanSegmentsFound", text: "Multiple Vxlan segments found for the network 'n1'"},
		{err: l2gw.GatewayInUse("gw1"), code: l2gw.Conflict, kind: "L2GatewayInUse", text: "L2 Gateway 'gw1' still has active mappings with one or more neutron networks."},
		{
			err: l2gw.ConnectionExists("gw1", "n1", new(l2gw.VLAN(5))), code: l2gw.Conflict, kind: "L2GatewayConnectionExists",
			text: "The specified mapping '{'network_id': 'n1', 'l2_gateway_id': 'gw1', 'segmentation_id': '5'}' exists on network gateway 'gw1'.",
		},
		{err: l2gw.BadSortKey("bogus"), code: l2gw.Invalid, kind: "HTTPBadRequest", text: "['bogus'] is invalid attribute for sort_keys"},
	} {
		if test.err.Code != test.code || test.err.Type != test.kind || test.err.Error() != test.text {
			t.Errorf("%+v", *test.err)
		}
	}
	cause := errors.New("disk on fire")
	down := l2gw.ServiceUnavailable("The database", cause)
	if !errors.Is(down, cause) || strings.Contains(down.Error(), "fire") || down.Code != l2gw.Unavailable {
		t.Errorf("%+v", down)
	}
	if l2gw.ErrorCode(nil) != "" || l2gw.ErrorCode(cause) != l2gw.Internal {
		t.Error("nil has a code, or a stranger a code of ours")
	}
}

func TestTheDifferenceOfGatewaysIsWhatEachConnectionBindsAnew(t *testing.T) {
	ports := func(device string, ports ...l2gw.Interface) l2gw.Device {
		return l2gw.Device{Name: device, Interfaces: ports}
	}
	plain := func(name string) l2gw.Interface { return l2gw.Interface{Name: name} }
	tagged := func(name string, vlans ...l2gw.VLAN) l2gw.Interface { return l2gw.Interface{Name: name, VLANs: vlans} }
	one := l2gw.Gateway{Devices: []l2gw.Device{ports("a", plain("e1"), plain("e2")), ports("b", tagged("e1", 5, 6))}}
	for _, row := range []struct {
		what  string
		other []l2gw.Device
		want  int
	}{
		{"the same in another order", []l2gw.Device{ports("b", tagged("e1", 6, 5)), ports("a", plain("e2"), plain("e1"))}, 0},
		{"a port more", []l2gw.Device{ports("a", plain("e1"), plain("e2"), plain("e3")), ports("b", tagged("e1", 5, 6))}, 1},
		{"a VLAN less", []l2gw.Device{ports("a", plain("e1"), plain("e2")), ports("b", tagged("e1", 5))}, 1},
		{"another VLAN", []l2gw.Device{ports("a", plain("e1"), plain("e2")), ports("b", tagged("e1", 5, 7))}, 2},
		{"untagged, and the connection's", []l2gw.Device{ports("a", plain("e1"), tagged("e2", 0)), ports("b", tagged("e1", 5, 6))}, 2},
		{"another device", []l2gw.Device{ports("c", plain("e1"), plain("e2")), ports("b", tagged("e1", 5, 6))}, 4},
		{"nothing", nil, 4},
	} {
		other := l2gw.Gateway{Devices: row.other}
		if got, back := one.Difference(&other), other.Difference(&one); got != row.want || back != row.want {
			t.Errorf("%s: %d, and %d the other way round, want %d", row.what, got, back, row.want)
		}
	}
}
