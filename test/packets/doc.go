// Package packets is a laboratory for packets: two hardware_vtep gateways, two
// compute nodes, virtual machines and bare metal, each in a network namespace.
//
//	vm1 10.5.0.11 ─ cn1 ─┐                        ┌─ p1 ═ VLAN 100 ═ bm1 10.5.0.101
//	vm2 10.6.0.12 ─ cn2 ─┼─ underlay ─┬─ gw  sw1 ─┴─ p2 ─ untagged ─ bm2 10.6.0.102
//	vm3 10.5.0.13 ─ cn2 ─┘            └─ gw2 sw2 ─── q1 ═ VLAN 100 ═ bm3 10.5.0.103
//
// 10.5.0.0/24 is the network with VNI 5001, 10.6.0.0/24 that with VNI 5002. A
// gateway is Open vSwitch in user space with its hardware_vtep emulator,
// ovs-vtep; its database also listens on a TCP port of 127.0.0.1. A compute node
// is the kernel's VXLAN; its forwarding entries, which in a cloud come from
// Neutron (l2population), are set by the laboratory, as is all of the above.
// What the hardware_vtep databases hold beyond the switches themselves is for the
// code under test: without it no packet crosses a gateway.
//
// It guarantees that nothing outside its namespaces is touched, that any number
// of laboratories stand side by side, and that Down removes everything. What a
// killed process leaves is removed by the next Up. It does not tag in the hosts:
// the access network, a bridge in the gateway's namespace, does that for them.
//
// It needs root, /dev/net/tun, and veth, vxlan and bridge in the kernel.
package packets
