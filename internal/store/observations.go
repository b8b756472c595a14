package store

import (
	"context"
	"net/netip"
	"slices"
	"strings"

	"l2gw"

	"github.com/uptrace/bun"
)

type observedDeviceRow struct {
	bun.BaseModel `bun:"table:observed_devices"`
	DB            string `bun:"db,pk"`
	Device        string `bun:",pk"`
	TunnelIP      string `bun:"tunnel_ip,pk"`
}

type observedMACRow struct {
	bun.BaseModel `bun:"table:observed_macs"`
	DB            string `bun:"db,pk"`
	NetworkID     string `bun:",pk"`
	MAC           string `bun:"mac,pk"`
	VTEP          string `bun:"vtep"`
	IPs           string `bun:"ips"`
}

// Remembered returns what was last seen, by switch database. A row that cannot
// be read any more is left out: it is seen anew when the switch is.
func (s *Store) Remembered(ctx context.Context) (map[string]l2gw.Remembered, error) {
	all := map[string]l2gw.Remembered{}
	err := s.read(ctx, func(ctx context.Context, tx bun.Tx) error {
		clear(all)
		var devices []observedDeviceRow
		var macs []observedMACRow
		if err := tx.NewSelect().Model(&devices).Order("db", "device", "tunnel_ip").Scan(ctx); err != nil {
			return err
		}
		if err := tx.NewSelect().Model(&macs).Scan(ctx); err != nil {
			return err
		}
		for _, r := range devices {
			o := all[r.DB]
			if n := len(o.Devices); n == 0 || o.Devices[n-1].Name != r.Device {
				o.Devices = append(o.Devices, l2gw.DeviceState{Name: r.Device})
			}
			if ip, err := netip.ParseAddr(r.TunnelIP); err == nil {
				d := &o.Devices[len(o.Devices)-1]
				d.TunnelIPs = append(d.TunnelIPs, ip)
			}
			all[r.DB] = o
		}
		for _, r := range macs {
			if l, ok := learnedFromRow(r); ok {
				o := all[r.DB]
				o.Learned = append(o.Learned, l)
				all[r.DB] = o
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return all, nil
}

// RememberDevices replaces what is remembered of a database's devices. Idempotent.
// Epoch is as in [Store.Own].
func (s *Store) RememberDevices(ctx context.Context, epoch uint64, database string, devices []l2gw.DeviceState) error {
	var rows []observedDeviceRow
	for _, d := range devices {
		if len(d.TunnelIPs) == 0 {
			rows = append(rows, observedDeviceRow{DB: database, Device: d.Name})
		}
		for _, ip := range d.TunnelIPs {
			rows = append(rows, observedDeviceRow{DB: database, Device: d.Name, TunnelIP: ip.String()})
		}
	}
	slices.SortFunc(rows, func(a, b observedDeviceRow) int {
		return strings.Compare(a.Device+"\x00"+a.TunnelIP, b.Device+"\x00"+b.TunnelIP)
	})
	rows = slices.Compact(rows)
	return s.transact(ctx, epoch, func(ctx context.Context, tx bun.Tx) error {
		if _, err := tx.NewDelete().Model((*observedDeviceRow)(nil)).Where("db = ?", database).Exec(ctx); err != nil {
			return err
		}
		return insert(ctx, tx, rows)
	})
}

// RememberLearned changes what is remembered of the MACs that a database's
// switches learned: set is there from now on, of gone only network and MAC count.
// Idempotent. Epoch is as in [Store.Own].
func (s *Store) RememberLearned(ctx context.Context, epoch uint64, database string, set, gone []l2gw.Learned) error {
	rows := make([]observedMACRow, len(set))
	for i, l := range set {
		rows[i] = learnedToRow(database, l)
	}
	return s.transact(ctx, epoch, func(ctx context.Context, tx bun.Tx) error {
		for part := range slices.Chunk(slices.Concat(set, gone), keysPerStatement) {
			q := tx.NewDelete().Model((*observedMACRow)(nil)).Where("db = ?", database)
			q = q.WhereGroup(" AND ", func(q *bun.DeleteQuery) *bun.DeleteQuery {
				for _, l := range part {
					q = q.WhereOr("network_id = ? AND mac = ?", l.NetworkID, l.MAC.String())
				}
				return q
			})
			if _, err := q.Exec(ctx); err != nil {
				return err
			}
		}
		return insert(ctx, tx, rows)
	})
}

func learnedToRow(database string, l l2gw.Learned) observedMACRow {
	ips := make([]string, len(l.IPs))
	for i, ip := range l.IPs {
		ips[i] = ip.String()
	}
	return observedMACRow{DB: database, NetworkID: l.NetworkID, MAC: l.MAC.String(), VTEP: l.VTEP.String(), IPs: strings.Join(ips, ",")}
}

func learnedFromRow(r observedMACRow) (l2gw.Learned, bool) {
	l := l2gw.Learned{NetworkID: r.NetworkID}
	var err error
	if l.MAC, err = l2gw.ParseMAC(r.MAC); err != nil {
		return l, false
	}
	if l.VTEP, err = netip.ParseAddr(r.VTEP); err != nil {
		return l, false
	}
	for text := range strings.SplitSeq(r.IPs, ",") {
		if ip, err := netip.ParseAddr(text); err == nil {
			l.IPs = append(l.IPs, ip)
		}
	}
	return l, true
}
