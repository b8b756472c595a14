package packets

import (
	"context"
	"fmt"
	"strings"
)

// computeNodes makes both nodes, their VMs and their forwarding entries.
func (l *Lab) computeNodes(ctx context.Context) error {
	return parallel(
		func() error { return l.computeNode(ctx, "cn1", CN1VTEP, CN2VTEP, []Host{VM1}, []Host{VM2, VM3}) },
		func() error { return l.computeNode(ctx, "cn2", CN2VTEP, CN1VTEP, []Host{VM2, VM3}, []Host{VM1}) },
	)
}

// computeNode makes a node that carries both networks with the kernel's VXLAN.
// It knows what a cloud would tell it: that broadcasts go to the other node and
// to both gateways, and behind which VTEP each MAC is.
func (l *Lab) computeNode(ctx context.Context, name, vtep, otherVTEP string, vms, otherVMs []Host) error {
	if err := steps(
		func() error { return l.node(ctx, name) },
		func() error { return l.ip(ctx, name, "addr add "+vtep+"/24 dev eth0") },
	); err != nil {
		return err
	}
	for _, vni := range []int{VNIRed, VNIBlue} {
		br, vx := fmt.Sprintf("br%d", vni), fmt.Sprintf("vx%d", vni)
		if err := l.ip(ctx, name,
			"link add "+br+" type bridge mcast_snooping 0",
			fmt.Sprintf("link add %s type vxlan id %d local %s dstport 4789 nolearning", vx, vni, vtep),
			"link set "+vx+" master "+br+" up",
			"link set "+br+" up",
		); err != nil {
			return err
		}
	}
	var fdb strings.Builder
	entry := func(mac string, vni int, vtep string) {
		fmt.Fprintf(&fdb, "fdb append %s dev vx%d dst %s\n", mac, vni, vtep)
	}
	for _, vni := range []int{VNIRed, VNIBlue} {
		for _, v := range []string{GW1VTEP, GW2VTEP, otherVTEP} {
			entry("00:00:00:00:00:00", vni, v)
		}
	}
	for _, vm := range otherVMs {
		entry(vm.MAC, vm.VNI, otherVTEP)
	}
	entry(BM1.MAC, BM1.VNI, GW1VTEP)
	entry(BM2.MAC, BM2.VNI, GW1VTEP)
	entry(BM3.MAC, BM3.VNI, GW2VTEP)
	cmd := l.inside(ctx, name, "bridge", "-batch", "-")
	cmd.Stdin = strings.NewReader(fdb.String())
	if err := check(cmd); err != nil {
		return err
	}
	for _, vm := range vms {
		if err := l.host(ctx, vm, name, "t-"+vm.Name); err != nil {
			return err
		}
		if err := l.ip(ctx, name, fmt.Sprintf("link set t-%s master br%d", vm.Name, vm.VNI)); err != nil {
			return err
		}
	}
	return nil
}
