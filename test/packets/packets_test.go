package packets

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
)

// The laboratory itself: with the rows that a switch needs, written by hand,
// packets flow. What fails here is not the product's fault.
func TestWithRowsWrittenByHandPacketsFlow(t *testing.T) {
	l := Start(t)
	ctx, cancel := context.WithTimeout(t.Context(), Patience)
	defer cancel()
	if err := l.PingOnce(ctx, BM1, VM1); err == nil {
		t.Fatal("packets cross a gateway that nobody told anything")
	}
	byHand(t, l.GW1, []bound{{"p1", 100, VNIRed}, {"p2", 0, VNIBlue}}, []known{
		{VM1, CN1VTEP}, {VM2, CN2VTEP}, {VM3, CN2VTEP}, {BM3, GW2VTEP},
	})
	byHand(t, l.GW2, []bound{{"q1", 100, VNIRed}}, []known{{VM1, CN1VTEP}, {VM3, CN2VTEP}, {BM1, GW1VTEP}})
	traffic(t, l)
}

// traffic is what must hold whenever net-red and net-blue are connected to all
// three ports.
func traffic(t *testing.T, l *Lab) {
	t.Helper()
	// Bare metal speaks first, and nobody has spoken before.
	for _, pair := range [][2]Host{
		{BM1, VM1}, // tagged
		{BM2, VM2}, // untagged, another network
		{BM3, VM3}, // behind the second gateway
		{VM1, BM1},
		{VM2, BM2},
		{VM3, BM3},
		{BM1, VM3},
		{VM1, BM3},
		{BM1, BM3},
		{BM3, BM1}, // from gateway to gateway
		{VM1, VM3}, // as without any gateway
	} {
		ctx, cancel := context.WithTimeout(t.Context(), Patience)
		if err := l.Ping(ctx, pair[0], pair[1]); err != nil {
			t.Error(err)
		}
		cancel()
		if t.Failed() {
			return
		}
	}
	for _, from := range []Host{VM1, BM1, BM3, BM2} {
		if err := oneCopyEach(t.Context(), l, from); err != nil {
			t.Error(err)
		}
	}
}

// oneCopyEach broadcasts from a host: one copy must arrive at each host of its
// network and none elsewhere. One too many is an error at once. One too few is
// tried again for a while: a busy machine may drop a frame.
func oneCopyEach(ctx context.Context, l *Lab, from Host) error {
	ctx, cancel := context.WithTimeout(ctx, Patience)
	defer cancel()
	var at []Host
	for _, h := range []Host{VM1, VM2, VM3, BM1, BM2, BM3} {
		if h != from {
			at = append(at, h)
		}
	}
	for {
		copies, err := l.Copies(ctx, from, at...)
		if err != nil {
			return err
		}
		lost := false
		for h, c := range copies {
			want := 0 // another network
			if h.VNI == from.VNI {
				want = 1
			}
			for _, got := range c {
				if got > want {
					return fmt.Errorf("broadcasts of %s arrive at %s in %v copies, want %d of each", from.Name, h.Name, c, want)
				}
				lost = lost || got < want
			}
		}
		if !lost {
			return nil
		}
	}
}

type bound struct {
	port      string
	vlan, vni int
}

type known struct {
	host Host
	vtep string
}

// byHand writes the rows of one gateway in one transaction.
func byHand(t *testing.T, g *Gateway, bindings []bound, hosts []known) {
	t.Helper()
	var ops []string
	op := func(format string, args ...any) { ops = append(ops, fmt.Sprintf(format, args...)) }
	locators := map[string]string{}
	locator := func(vtep string) string {
		name, ok := locators[vtep]
		if !ok {
			name = fmt.Sprintf("l%d", len(locators))
			locators[vtep] = name
			op(`{"op":"insert","table":"Physical_Locator","uuid-name":%q,"row":{"encapsulation_type":"vxlan_over_ipv4","dst_ip":%q}}`, name, vtep)
		}
		return fmt.Sprintf(`["named-uuid",%q]`, name)
	}
	for _, b := range bindings {
		op(`{"op":"wait","timeout":30000,"table":"Physical_Port","where":[["name","==",%q]],"columns":["name"],"until":"==","rows":[{"name":%q}]}`, b.port, b.port)
		op(`{"op":"insert","table":"Logical_Switch","uuid-name":"ls%d","row":{"name":"net-%d","tunnel_key":%d,"replication_mode":"source_node"}}`, b.vni, b.vni, b.vni)
		op(`{"op":"mutate","table":"Physical_Port","where":[["name","==",%q]],"mutations":[["vlan_bindings","insert",["map",[[%d,["named-uuid","ls%d"]]]]]]}`, b.port, b.vlan, b.vni)
		flood := map[string]bool{}
		for _, h := range hosts {
			if h.host.VNI != b.vni {
				continue
			}
			flood[locator(h.vtep)] = true
			op(`{"op":"insert","table":"Ucast_Macs_Remote","row":{"MAC":%q,"logical_switch":["named-uuid","ls%d"],"locator":%s,"ipaddr":""}}`, h.host.MAC, b.vni, locator(h.vtep))
		}
		var set []string
		for l := range flood {
			set = append(set, l)
		}
		op(`{"op":"insert","table":"Physical_Locator_Set","uuid-name":"set%d","row":{"locators":["set",[%s]]}}`, b.vni, strings.Join(set, ","))
		op(`{"op":"insert","table":"Mcast_Macs_Remote","row":{"MAC":"unknown-dst","logical_switch":["named-uuid","ls%d"],"locator_set":["named-uuid","set%d"],"ipaddr":""}}`, b.vni, b.vni)
	}
	if err := g.Transact(t.Context(), strings.Join(ops, ",")); err != nil {
		t.Fatal(err)
	}
}

func TestALaboratoryLeavesNothing(t *testing.T) {
	l, err := Up(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Down(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(l.dir); !os.IsNotExist(err) {
		t.Errorf("%s is left: %v", l.dir, err)
	}
	left, err := os.ReadDir("/run/netns")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range left {
		if strings.HasPrefix(e.Name(), l.prefix) {
			t.Errorf("namespace %s is left", e.Name())
		}
	}
}
