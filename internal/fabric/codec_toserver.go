package fabric

import (
	"fmt"
	"maps"
	"slices"

	"l2gw"
	pb "l2gw/internal/fabric/fabricpb"
)

func encodeToServer(m ToServer) (*pb.FromAgent, error) {
	switch m := m.(type) {
	case Hello:
		return &pb.FromAgent{Message: &pb.FromAgent_Hello{Hello: &pb.Hello{
			Protocol: int64(m.Protocol), Features: m.Features, Agent: m.Agent, Version: m.Version,
			Databases: mapped(m.Databases, encodeHolding), Epoch: m.Epoch,
		}}}, nil
	case Beat:
		return &pb.FromAgent{Message: &pb.FromAgent_Beat{Beat: &pb.Beat{Sequence: m.Sequence, Epoch: m.Epoch}}}, nil
	case Observed:
		return &pb.FromAgent{Message: &pb.FromAgent_Observed{Observed: &pb.Observed{
			Database: m.Database, State: encodeState(m.State),
		}}}, nil
	case Orphans:
		return &pb.FromAgent{Message: &pb.FromAgent_Orphans{Orphans: &pb.Orphans{
			Database: m.Database, Owned: encodeOwnership(m.Owned), Telling: m.Telling,
		}}}, nil
	case Learned:
		return &pb.FromAgent{Message: &pb.FromAgent_Learned{Learned: encodeLearned(m)}}, nil
	case Applied:
		return &pb.FromAgent{Message: &pb.FromAgent_Applied{Applied: encodeApplied(m)}}, nil
	case Ask:
		return &pb.FromAgent{Message: &pb.FromAgent_Ask{Ask: &pb.Ask{Database: m.Database, NetworkId: m.NetworkID}}}, nil
	case Done:
		return &pb.FromAgent{Message: &pb.FromAgent_Done{Done: &pb.Done{
			Id: m.ID, Error: m.Error, At: encodeTime(m.At),
			Differences: mapped(m.Differences, func(f l2gw.Difference) *pb.Difference {
				return &pb.Difference{Table: f.Table, Row: f.Row, Wanted: f.Wanted, Held: f.Held}
			}),
		}}}, nil
	}
	return nil, fmt.Errorf("%w: %T to a server", ErrUnknownMessage, m)
}

func decodeToServer(p *pb.FromAgent) (ToServer, error) {
	d := &decoder{}
	m := d.toServer(p)
	switch {
	case d.err != nil:
		return nil, fmt.Errorf("%T: %w", m, d.err)
	case m == nil:
		return nil, ErrUnknownMessage
	}
	return m, nil
}

// toServer returns nil for kinds that are unknown.
func (d *decoder) toServer(p *pb.FromAgent) ToServer {
	switch p := p.GetMessage().(type) {
	case *pb.FromAgent_Hello:
		m := p.Hello
		return Hello{
			Protocol: int(m.GetProtocol()), Features: m.GetFeatures(), Agent: m.GetAgent(), Version: m.GetVersion(),
			Databases: mapped(m.GetDatabases(), decodeHolding), Epoch: m.GetEpoch(),
		}
	case *pb.FromAgent_Beat:
		return Beat{Sequence: p.Beat.GetSequence(), Epoch: p.Beat.GetEpoch()}
	case *pb.FromAgent_Observed:
		return Observed{Database: p.Observed.GetDatabase(), State: d.state(p.Observed.GetState())}
	case *pb.FromAgent_Orphans:
		return Orphans{Database: p.Orphans.GetDatabase(), Owned: d.ownership(p.Orphans.GetOwned()), Telling: p.Orphans.GetTelling()}
	case *pb.FromAgent_Learned:
		return d.learned(p.Learned)
	case *pb.FromAgent_Applied:
		return d.applied(p.Applied)
	case *pb.FromAgent_Ask:
		return Ask{Database: p.Ask.GetDatabase(), NetworkID: p.Ask.GetNetworkId()}
	case *pb.FromAgent_Done:
		m := p.Done
		return Done{
			ID: m.GetId(), Error: m.GetError(), At: decodeTime(m.GetAt()),
			Differences: mapped(m.GetDifferences(), func(f *pb.Difference) l2gw.Difference {
				return l2gw.Difference{Table: f.GetTable(), Row: f.GetRow(), Wanted: f.GetWanted(), Held: f.GetHeld()}
			}),
		}
	}
	return nil
}

func encodeHolding(h Holding) *pb.Holding {
	p := &pb.Holding{
		Database: h.Database, Grant: encodeVersion(h.Grant), Writer: h.Writer, Complete: h.Complete,
		Bindings: uint64(h.Bindings), Revision: h.Revision,
	}
	for _, id := range slices.Sorted(maps.Keys(h.Networks)) {
		p.Networks = append(p.Networks, &pb.NetworkDigest{NetworkId: id, Digest: uint64(h.Networks[id])})
	}
	return p
}

func decodeHolding(p *pb.Holding) Holding {
	h := Holding{
		Database: p.GetDatabase(), Grant: decodeVersion(p.GetGrant()), Writer: p.GetWriter(), Complete: p.GetComplete(),
		Bindings: l2gw.Digest(p.GetBindings()), Revision: p.GetRevision(),
		Networks: make(map[string]l2gw.Digest, len(p.GetNetworks())),
	}
	for _, n := range p.GetNetworks() {
		h.Networks[n.GetNetworkId()] = l2gw.Digest(n.GetDigest())
	}
	return h
}

func encodeState(s l2gw.DatabaseState) *pb.DatabaseState {
	p := &pb.DatabaseState{
		Name: s.Name, Agent: s.Agent, Connected: s.Connected, Error: s.Error, InSync: s.InSync, SyncedAt: encodeTime(s.SyncedAt),
		Schema: s.Schema, Losses: s.Losses, Devices: mapped(s.Devices, encodeDevice),
		Grant: encodeVersion(s.Grant), Writer: s.Writer, Lock: string(s.Lock), Mode: string(s.Mode), ModeSince: encodeTime(s.ModeSince),
		Held: mapped(s.Held, func(h l2gw.HeldRemoval) *pb.HeldRemoval {
			return &pb.HeldRemoval{
				NetworkId: h.NetworkID, Rows: int64(h.Rows), Total: int64(h.Total),
				Reason: h.Reason, Since: encodeTime(h.Since), Confirms: h.Confirms,
			}
		}),
	}
	for _, table := range slices.Sorted(maps.Keys(s.Rows)) {
		p.Rows = append(p.Rows, &pb.TableRows{Table: table, Rows: int64(s.Rows[table])})
	}
	return p
}

func (d *decoder) state(p *pb.DatabaseState) l2gw.DatabaseState {
	s := l2gw.DatabaseState{
		Name: p.GetName(), Agent: p.GetAgent(), Connected: p.GetConnected(), Error: p.GetError(), InSync: p.GetInSync(), SyncedAt: decodeTime(p.GetSyncedAt()),
		Schema: p.GetSchema(), Losses: p.GetLosses(), Devices: mapped(p.GetDevices(), d.device),
		Grant: decodeVersion(p.GetGrant()), Writer: p.GetWriter(), Lock: l2gw.Locking(p.GetLock()), Mode: l2gw.Mode(p.GetMode()), ModeSince: decodeTime(p.GetModeSince()),
		Held: mapped(p.GetHeld(), func(h *pb.HeldRemoval) l2gw.HeldRemoval {
			return l2gw.HeldRemoval{
				NetworkID: h.GetNetworkId(), Rows: int(h.GetRows()), Total: int(h.GetTotal()),
				Reason: h.GetReason(), Since: decodeTime(h.GetSince()), Confirms: h.GetConfirms(),
			}
		}),
		Rows: make(map[string]int, len(p.GetRows())),
	}
	for _, r := range p.GetRows() {
		s.Rows[r.GetTable()] = int(r.GetRows())
	}
	return s
}

func encodeDevice(s l2gw.DeviceState) *pb.DeviceState {
	return &pb.DeviceState{
		Name: s.Name, Description: s.Description, TunnelIps: mapped(s.TunnelIPs, encodeAddr), ManagementIps: s.ManagementIPs,
		Faults: s.Faults, Ports: mapped(s.Ports, encodePort), Distrust: s.Distrust,
	}
}

func (d *decoder) device(p *pb.DeviceState) l2gw.DeviceState {
	return l2gw.DeviceState{
		Name: p.GetName(), Description: p.GetDescription(), TunnelIPs: d.addrs("tunnel IP", p.GetTunnelIps()), ManagementIPs: p.GetManagementIps(),
		Faults: p.GetFaults(), Ports: mapped(p.GetPorts(), d.port), Distrust: p.GetDistrust(),
	}
}

func encodePort(s l2gw.PortState) *pb.PortState {
	return &pb.PortState{
		Name: s.Name, Description: s.Description, Faults: s.Faults,
		Bindings: mapped(s.Bindings, func(b l2gw.PortBinding) *pb.PortBinding {
			return &pb.PortBinding{Vlan: uint32(b.VLAN), LogicalSwitch: b.LogicalSwitch, Ours: b.Ours}
		}),
	}
}

func (d *decoder) port(p *pb.PortState) l2gw.PortState {
	return l2gw.PortState{
		Name: p.GetName(), Description: p.GetDescription(), Faults: p.GetFaults(),
		Bindings: mapped(p.GetBindings(), func(b *pb.PortBinding) l2gw.PortBinding {
			return l2gw.PortBinding{VLAN: d.vlan("port "+p.GetName(), b.GetVlan()), LogicalSwitch: b.GetLogicalSwitch(), Ours: b.GetOurs()}
		}),
	}
}

func encodeApplied(m Applied) *pb.Applied {
	return &pb.Applied{
		Database: m.Database, Version: encodeVersion(m.Version),
		Bindings: mapped(m.Bindings, func(r BindingResult) *pb.BindingResult {
			return &pb.BindingResult{
				Key: encodeKey(r.Key), Revision: r.Revision,
				Status: string(r.Status), Reason: r.Reason, Class: string(r.Class),
			}
		}),
		Networks: mapped(m.Networks, func(r NetworkResult) *pb.NetworkResult {
			return &pb.NetworkResult{
				NetworkId: r.NetworkID, Version: encodeVersion(r.Version),
				Status: string(r.Status), Reason: r.Reason, Class: string(r.Class),
			}
		}),
		Gone: encodeOwnership(m.Gone),
	}
}

func (d *decoder) applied(p *pb.Applied) Applied {
	return Applied{
		Database: p.GetDatabase(), Version: decodeVersion(p.GetVersion()),
		Bindings: mapped(p.GetBindings(), func(r *pb.BindingResult) BindingResult {
			return BindingResult{
				Key: d.key(r.GetKey()), Revision: r.GetRevision(),
				Status: l2gw.Status(r.GetStatus()), Reason: r.GetReason(), Class: Class(r.GetClass()),
			}
		}),
		Networks: mapped(p.GetNetworks(), func(r *pb.NetworkResult) NetworkResult {
			return NetworkResult{
				NetworkID: r.GetNetworkId(), Version: decodeVersion(r.GetVersion()),
				Status: l2gw.Status(r.GetStatus()), Reason: r.GetReason(), Class: Class(r.GetClass()),
			}
		}),
		Gone: d.ownership(p.GetGone()),
	}
}
