package fabric

import (
	"fmt"
	"slices"
	"time"

	"l2gw"
	pb "l2gw/internal/fabric/fabricpb"
)

func encodeToAgent(m ToAgent) (*pb.FromServer, error) {
	switch m := m.(type) {
	case Welcome:
		return &pb.FromServer{Message: &pb.FromServer_Welcome{Welcome: &pb.Welcome{
			Protocol: int64(m.Protocol), Features: m.Features, Server: m.Server, Controller: m.Controller, Epoch: m.Epoch,
		}}}, nil
	case Refused:
		return &pb.FromServer{Message: &pb.FromServer_Refused{Refused: &pb.Refused{Database: m.Database, Reason: m.Reason}}}, nil
	case Grant:
		return &pb.FromServer{Message: &pb.FromServer_Grant{Grant: &pb.Grant{
			Database: m.Database, Version: encodeVersion(m.Version), Steal: m.Steal,
			Term: int64(m.Term), Beat: m.Beat, Clear: int64(m.Clear),
		}}}, nil
	case Revoke:
		return &pb.FromServer{Message: &pb.FromServer_Revoke{Revoke: &pb.Revoke{Database: m.Database, Version: encodeVersion(m.Version)}}}, nil
	case Renewal:
		return &pb.FromServer{Message: &pb.FromServer_Renewal{Renewal: &pb.Renewal{Beat: m.Beat, Epoch: m.Epoch, Leased: m.Leased}}}, nil
	case SnapshotBegin:
		return &pb.FromServer{Message: &pb.FromServer_SnapshotBegin{SnapshotBegin: &pb.SnapshotBegin{
			Database: m.Database, Version: encodeVersion(m.Version),
		}}}, nil
	case SnapshotEnd:
		return &pb.FromServer{Message: &pb.FromServer_SnapshotEnd{SnapshotEnd: &pb.SnapshotEnd{
			Database: m.Database, Version: encodeVersion(m.Version), Revision: m.Revision,
		}}}, nil
	case SameNetwork:
		return &pb.FromServer{Message: &pb.FromServer_SameNetwork{SameNetwork: &pb.SameNetwork{
			Database: m.Database, NetworkId: m.NetworkID, Version: encodeVersion(m.Version), Digest: uint64(m.Digest),
		}}}, nil
	case SameBindings:
		return &pb.FromServer{Message: &pb.FromServer_SameBindings{SameBindings: &pb.SameBindings{
			Database: m.Database, Version: encodeVersion(m.Version), Digest: uint64(m.Digest),
		}}}, nil
	case Bindings:
		return &pb.FromServer{Message: &pb.FromServer_Bindings{Bindings: &pb.Bindings{
			Database: m.Database, Version: encodeVersion(m.Version), Revision: m.Revision, Set: mapped(m.Set, encodeBinding),
			Unset: mapped(m.Unset, func(u Unbound) *pb.Unbound {
				return &pb.Unbound{Key: encodeKey(u.BindingKey), Request: u.Request}
			}),
		}}}, nil
	case Segment:
		if m.Segment == nil {
			return nil, fmt.Errorf("%w: a Segment of database %s without its segment", ErrMalformed, m.Database)
		}
		return &pb.FromServer{Message: &pb.FromServer_Segment{Segment: &pb.SegmentWhole{
			Database: m.Database, Segment: encodeSegment(m.Segment),
		}}}, nil
	case SegmentDelta:
		return &pb.FromServer{Message: &pb.FromServer_SegmentDelta{SegmentDelta: &pb.SegmentDelta{
			Database: m.Database, NetworkId: m.NetworkID, From: encodeVersion(m.From), To: encodeVersion(m.To),
			Name: m.Name, Vni: uint32(m.VNI), Mtu: int64(m.MTU), Vteps: mapped(m.VTEPs, encodeAddr),
			Set: encodeHosts(slices.Values(m.Set)), Removed: encodeMACs(m.Removed), Digest: uint64(m.Digest),
		}}}, nil
	case SegmentUnknown:
		return &pb.FromServer{Message: &pb.FromServer_SegmentUnknown{SegmentUnknown: &pb.SegmentUnknown{
			Database: m.Database, NetworkId: m.NetworkID, Version: encodeVersion(m.Version),
		}}}, nil
	case SegmentGone:
		return &pb.FromServer{Message: &pb.FromServer_SegmentGone{SegmentGone: &pb.SegmentGone{
			Database: m.Database, NetworkId: m.NetworkID, Version: encodeVersion(m.Version),
		}}}, nil
	case Owned:
		return &pb.FromServer{Message: &pb.FromServer_Owned{Owned: &pb.Owned{
			Database: m.Database, Version: encodeVersion(m.Version), Owned: encodeOwnership(m.Owned), Lost: m.Lost,
		}}}, nil
	case Recorded:
		return &pb.FromServer{Message: &pb.FromServer_Recorded{Recorded: &pb.Recorded{Database: m.Database, Telling: m.Telling}}}, nil
	case Do:
		return &pb.FromServer{Message: &pb.FromServer_Do{Do: &pb.Do{
			Id: m.ID, Database: m.Database, Command: string(m.Command), NetworkId: m.NetworkID, Epoch: m.Epoch, At: encodeTime(m.At),
		}}}, nil
	}
	return nil, fmt.Errorf("%w: %T to an agent", ErrUnknownMessage, m)
}

func decodeToAgent(p *pb.FromServer) (ToAgent, error) {
	d := &decoder{}
	m := d.toAgent(p)
	switch {
	case d.err != nil:
		return nil, fmt.Errorf("%T: %w", m, d.err)
	case m == nil:
		return nil, ErrUnknownMessage
	}
	return m, nil
}

// toAgent returns nil for kinds that are unknown.
func (d *decoder) toAgent(p *pb.FromServer) ToAgent {
	switch p := p.GetMessage().(type) {
	case *pb.FromServer_Welcome:
		m := p.Welcome
		return Welcome{
			Protocol: int(m.GetProtocol()), Features: m.GetFeatures(), Server: m.GetServer(),
			Controller: m.GetController(), Epoch: m.GetEpoch(),
		}
	case *pb.FromServer_Refused:
		return Refused{Database: p.Refused.GetDatabase(), Reason: p.Refused.GetReason()}
	case *pb.FromServer_Grant:
		m := p.Grant
		return Grant{
			Database: m.GetDatabase(), Version: decodeVersion(m.GetVersion()), Steal: m.GetSteal(),
			Term: time.Duration(m.GetTerm()), Beat: m.GetBeat(), Clear: time.Duration(m.GetClear()),
		}
	case *pb.FromServer_Revoke:
		return Revoke{Database: p.Revoke.GetDatabase(), Version: decodeVersion(p.Revoke.GetVersion())}
	case *pb.FromServer_Renewal:
		return Renewal{Beat: p.Renewal.GetBeat(), Epoch: p.Renewal.GetEpoch(), Leased: p.Renewal.GetLeased()}
	case *pb.FromServer_SnapshotBegin:
		return SnapshotBegin{Database: p.SnapshotBegin.GetDatabase(), Version: decodeVersion(p.SnapshotBegin.GetVersion())}
	case *pb.FromServer_SnapshotEnd:
		m := p.SnapshotEnd
		return SnapshotEnd{Database: m.GetDatabase(), Version: decodeVersion(m.GetVersion()), Revision: m.GetRevision()}
	case *pb.FromServer_SameNetwork:
		m := p.SameNetwork
		return SameNetwork{
			Database: m.GetDatabase(), NetworkID: m.GetNetworkId(),
			Version: decodeVersion(m.GetVersion()), Digest: l2gw.Digest(m.GetDigest()),
		}
	case *pb.FromServer_SameBindings:
		m := p.SameBindings
		return SameBindings{Database: m.GetDatabase(), Version: decodeVersion(m.GetVersion()), Digest: l2gw.Digest(m.GetDigest())}
	case *pb.FromServer_Bindings:
		m := p.Bindings
		return Bindings{
			Database: m.GetDatabase(), Version: decodeVersion(m.GetVersion()), Revision: m.GetRevision(),
			Set: mapped(m.GetSet(), d.binding),
			Unset: mapped(m.GetUnset(), func(u *pb.Unbound) Unbound {
				return Unbound{BindingKey: d.key(u.GetKey()), Request: u.GetRequest()}
			}),
		}
	case *pb.FromServer_Segment:
		return Segment{Database: p.Segment.GetDatabase(), Segment: d.segment(p.Segment.GetSegment())}
	case *pb.FromServer_SegmentDelta:
		m := p.SegmentDelta
		return SegmentDelta{
			Database: m.GetDatabase(), NetworkID: m.GetNetworkId(), From: decodeVersion(m.GetFrom()), To: decodeVersion(m.GetTo()),
			Name: m.GetName(), VNI: d.vni("network "+m.GetNetworkId(), m.GetVni()), MTU: int(m.GetMtu()), VTEPs: d.addrs("VTEP", m.GetVteps()),
			Set: d.hostList(m.GetSet()), Removed: d.macs("removed", m.GetRemoved()), Digest: l2gw.Digest(m.GetDigest()),
		}
	case *pb.FromServer_SegmentUnknown:
		m := p.SegmentUnknown
		return SegmentUnknown{Database: m.GetDatabase(), NetworkID: m.GetNetworkId(), Version: decodeVersion(m.GetVersion())}
	case *pb.FromServer_SegmentGone:
		m := p.SegmentGone
		return SegmentGone{Database: m.GetDatabase(), NetworkID: m.GetNetworkId(), Version: decodeVersion(m.GetVersion())}
	case *pb.FromServer_Owned:
		m := p.Owned
		return Owned{
			Database: m.GetDatabase(), Version: decodeVersion(m.GetVersion()),
			Owned: d.ownership(m.GetOwned()), Lost: m.GetLost(),
		}
	case *pb.FromServer_Recorded:
		return Recorded{Database: p.Recorded.GetDatabase(), Telling: p.Recorded.GetTelling()}
	case *pb.FromServer_Do:
		m := p.Do
		return Do{
			ID: m.GetId(), Database: m.GetDatabase(), Command: Command(m.GetCommand()),
			NetworkID: m.GetNetworkId(), Epoch: m.GetEpoch(), At: decodeTime(m.GetAt()),
		}
	}
	return nil
}
