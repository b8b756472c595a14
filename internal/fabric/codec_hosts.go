package fabric

import (
	"iter"
	"net/netip"

	"l2gw"
	"l2gw/internal/cow"
	pb "l2gw/internal/fabric/fabricpb"
)

const macLen = len(l2gw.MAC{})

// addressBlock is how many hosts share one array of addresses: few allocations,
// and a host that stays does not keep those of many that went.
const addressBlock = 32

// encodeHosts groups hosts by VTEP and by the kinds of their addresses. The
// groups are in the order in which hosts of them first came.
func encodeHosts(hosts iter.Seq[l2gw.Host]) []*pb.Hosts {
	type kind struct {
		vtep  netip.Addr
		shape string
	}
	var (
		groups []*pb.Hosts
		byKind = map[kind]*pb.Hosts{}
		shape  []byte
	)
	for h := range hosts {
		shape = shape[:0]
		for _, ip := range h.IPs {
			shape = append(shape, byte(ip.BitLen()/8))
		}
		vtep := h.VTEP.WithZone("")
		g := byKind[kind{vtep, string(shape)}]
		if g == nil {
			k := kind{vtep, string(shape)}
			g = &pb.Hosts{Vtep: encodeAddr(vtep), Shape: []byte(k.shape)}
			byKind[k] = g
			groups = append(groups, g)
		}
		g.Macs = append(g.Macs, h.MAC[:]...)
		for _, ip := range h.IPs {
			switch {
			case ip.Is4():
				b := ip.As4()
				g.Addresses = append(g.Addresses, b[:]...)
			case ip.IsValid():
				b := ip.As16()
				g.Addresses = append(g.Addresses, b[:]...)
			}
		}
	}
	return groups
}

// hosts calls each for every host.
func (d *decoder) hosts(groups []*pb.Hosts, each func(l2gw.Host)) {
	for _, g := range groups {
		d.group(g, each)
	}
}

func (d *decoder) group(g *pb.Hosts, each func(l2gw.Host)) {
	vtep, shape, rest := d.addr("VTEP", g.GetVtep()), g.GetShape(), g.GetAddresses()
	size := 0
	for _, s := range shape {
		if s != 0 && s != 4 && s != 16 {
			d.fault("hosts: an IP address has 4 or 16 bytes, not %d", s)
		}
		size += int(s)
	}
	if len(g.GetMacs())%macLen != 0 || len(rest) != len(g.GetMacs())/macLen*size {
		d.fault("hosts: %d bytes of MACs and %d of IP addresses do not go together", len(g.GetMacs()), len(rest))
	}
	if d.err != nil {
		return
	}
	var block []netip.Addr
	macs := g.GetMacs()
	for ; len(macs) > 0; macs = macs[macLen:] {
		h := l2gw.Host{MAC: l2gw.MAC(macs[:macLen]), VTEP: vtep}
		if len(shape) > 0 {
			if len(block) < len(shape) {
				block = make([]netip.Addr, len(shape)*min(addressBlock, len(macs)/macLen))
			}
			h.IPs, block = block[:len(shape):len(shape)], block[len(shape):]
			for i, s := range shape {
				h.IPs[i], _ = netip.AddrFromSlice(rest[:s])
				rest = rest[s:]
			}
		}
		each(h)
	}
}

func (d *decoder) hostList(groups []*pb.Hosts) []l2gw.Host {
	if len(groups) == 0 {
		return nil
	}
	n := 0
	for _, g := range groups {
		n += len(g.GetMacs()) / macLen
	}
	list := make([]l2gw.Host, 0, n)
	d.hosts(groups, func(h l2gw.Host) { list = append(list, h) })
	return list
}

func encodeMACs(macs []l2gw.MAC) []byte {
	if len(macs) == 0 {
		return nil
	}
	b := make([]byte, 0, len(macs)*macLen)
	for _, m := range macs {
		b = append(b, m[:]...)
	}
	return b
}

func (d *decoder) macs(field string, b []byte) []l2gw.MAC {
	if len(b)%macLen != 0 {
		d.fault("%s: MACs of %d bytes in all, which is no multiple of %d", field, len(b), macLen)
		return nil
	}
	if len(b) == 0 {
		return nil
	}
	macs := make([]l2gw.MAC, 0, len(b)/macLen)
	for ; len(b) > 0; b = b[macLen:] {
		macs = append(macs, l2gw.MAC(b[:macLen]))
	}
	return macs
}

func encodeSegment(s *l2gw.Segment) *pb.Segment {
	return &pb.Segment{
		NetworkId: s.NetworkID, Name: s.Name, Vni: uint32(s.VNI), Mtu: int64(s.MTU),
		Vteps: mapped(s.VTEPs, encodeAddr), Hosts: encodeHosts(s.Hosts.Values()), Version: encodeVersion(s.Version),
	}
}

// segment sums up the hosts anew: the sum is of what has arrived.
func (d *decoder) segment(p *pb.Segment) *l2gw.Segment {
	s := &l2gw.Segment{
		NetworkID: p.GetNetworkId(), Name: p.GetName(), VNI: d.vni("network "+p.GetNetworkId(), p.GetVni()), MTU: int(p.GetMtu()),
		VTEPs: d.addrs("VTEP", p.GetVteps()), Version: decodeVersion(p.GetVersion()),
	}
	hosts := (cow.Map[l2gw.MAC, l2gw.Host]{}).Txn()
	d.hosts(p.GetHosts(), func(h l2gw.Host) {
		if old, twice := hosts.Swap(h.MAC, h); twice {
			s.HostSum -= old.Digest()
		}
		s.HostSum += h.Digest()
	})
	s.Hosts = hosts.Commit()
	return s
}

func encodeLearned(m Learned) *pb.Learned {
	p := &pb.Learned{Database: m.Database, Full: m.Full}
	for id, all := range byNetwork(m.Set, func(l l2gw.Learned) string { return l.NetworkID }) {
		p.Set = append(p.Set, &pb.LearnedHosts{NetworkId: id, Hosts: encodeHosts(func(yield func(l2gw.Host) bool) {
			for _, l := range all {
				if !yield(l.Host) {
					return
				}
			}
		})})
	}
	for id, all := range byNetwork(m.Gone, func(k LearnedKey) string { return k.NetworkID }) {
		p.Gone = append(p.Gone, &pb.LearnedKeys{NetworkId: id, Macs: encodeMACs(mapped(all, func(k LearnedKey) l2gw.MAC { return k.MAC }))})
	}
	return p
}

// byNetwork groups, in the order in which the networks first came.
func byNetwork[T any](all []T, network func(T) string) iter.Seq2[string, []T] {
	return func(yield func(string, []T) bool) {
		var order []string
		groups := map[string][]T{}
		for _, v := range all {
			id := network(v)
			if _, ok := groups[id]; !ok {
				order = append(order, id)
			}
			groups[id] = append(groups[id], v)
		}
		for _, id := range order {
			if !yield(id, groups[id]) {
				return
			}
		}
	}
}

func (d *decoder) learned(p *pb.Learned) Learned {
	m := Learned{Database: p.GetDatabase(), Full: p.GetFull()}
	for _, n := range p.GetSet() {
		for _, h := range d.hostList(n.GetHosts()) {
			m.Set = append(m.Set, l2gw.Learned{NetworkID: n.GetNetworkId(), Host: h})
		}
	}
	for _, n := range p.GetGone() {
		for _, mac := range d.macs("learned", n.GetMacs()) {
			m.Gone = append(m.Gone, LearnedKey{NetworkID: n.GetNetworkId(), MAC: mac})
		}
	}
	return m
}
