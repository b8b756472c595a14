package l2gw_test

import (
	"testing"
	"time"

	"l2gw"
	"l2gw/internal/cow"
)

func manyHosts(n int, v byte) []l2gw.Host {
	hosts := make([]l2gw.Host, n)
	for i := range hosts {
		hosts[i] = l2gw.Host{MAC: l2gw.MAC{2, 0, 0, byte(i >> 16), byte(i >> 8), byte(i)}, VTEP: vtep(v)}
	}
	return hosts
}

func BenchmarkLearning10000MACsAnew(b *testing.B) {
	hosts := manyHosts(10_000, 21)
	for b.Loop() {
		l2gw.NewMACTable(10_000).Full(epoch, "db1", hosts)
	}
}

func BenchmarkRepeating10000MACs(b *testing.B) {
	hosts := manyHosts(10_000, 21)
	table := l2gw.NewMACTable(10_000)
	table.Full(epoch, "db1", hosts)
	for b.Loop() {
		table.Full(epoch, "db1", hosts)
	}
}

// One move while 100,000 MACs are known, and 5,000 wait to be forgotten.
func BenchmarkMovingOneOf100000MACs(b *testing.B) {
	table := l2gw.NewMACTable(0)
	hosts := manyHosts(100_000, 21)
	table.Full(epoch, "db1", hosts)
	var gone []l2gw.MAC
	for _, h := range hosts[:5_000] {
		gone = append(gone, h.MAC)
	}
	table.Delta(epoch, "db1", nil, gone)
	now, n := epoch, 0
	for b.Loop() {
		n++
		now = now.Add(time.Nanosecond)
		h := hosts[5_000+n%90_000]
		h.VTEP = vtep(byte(22 + n/90_000%2))
		if c := table.Delta(now, "db2", []l2gw.Host{h}, nil); len(c.Set) > 1 {
			b.Fatal(c)
		}
		table.Deadline()
	}
}

func BenchmarkTakingAnInventoryOf100000HostsWith10000Learned(b *testing.B) {
	table := l2gw.NewMACTable(0)
	table.Full(epoch, "db1", manyHosts(10_000, 21))
	txn := cow.Map[l2gw.MAC, l2gw.Host]{}.Txn()
	for i, h := range manyHosts(100_000, 11) {
		h.MAC[0] = 6
		if i%100 == 0 {
			h.MAC[0] = 2
		}
		txn.Set(h.MAC, h)
	}
	hosts := txn.Commit()
	for b.Loop() {
		table.SetInventory(epoch, hosts)
	}
}
