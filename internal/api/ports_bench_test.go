package api_test

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strconv"
	"testing"

	"l2gw"
)

// crowd is a directory of 4,096 networks and 100,000 ports.
func crowd() *l2gw.Directory {
	networks := make([]l2gw.DirectoryNetwork, 4096)
	for i := range networks {
		name := "net-" + strconv.Itoa(i)
		networks[i].Network = l2gw.Network{ID: l2gw.NetworkIDFromName(name), Name: name, VNI: l2gw.VNI(10_000 + i), Shared: true}
	}
	for i := range 100_000 {
		n := &networks[i%len(networks)]
		h := l2gw.Host{
			MAC: l2gw.MAC{0xfa, 0x16, 0x3e, byte(i >> 16), byte(i >> 8), byte(i)}, VTEP: netip.AddrFrom4([4]byte{192, 0, 2, byte(i % 100)}),
			IPs: []netip.Addr{netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)})},
		}
		n.Hosts = n.Hosts.Set(h.MAC, h)
		if i%2 == 0 {
			if n.Ports == nil {
				n.Ports = map[l2gw.MAC]*l2gw.PortDetails{}
			}
			n.Ports[h.MAC] = &l2gw.PortDetails{Name: "port-" + strconv.Itoa(i), DeviceID: "vm-" + strconv.Itoa(i/3), ProjectID: "p" + strconv.Itoa(i%1000)}
		}
	}
	return l2gw.NewDirectory(networks, nil)
}

func BenchmarkList100000Ports(b *testing.B) {
	w := newWorld(b)
	w.ctl.directory = crowd()
	middle := w.ctl.directory.Port(50_000)
	for _, row := range []struct{ name, target string }{
		{"FirstPage", "/v2.0/ports?limit=100"},
		{"MiddlePage", "/v2.0/ports?limit=100&marker=" + middle.ID()},
		{"ByMAC", "/v2.0/ports?mac_address=" + middle.MAC().String()},
		{"ByNetwork", "/v2.0/ports?network_id=" + middle.Network().ID},
		{"ByName", "/v2.0/ports?name=port-50000"},
		{"ByDevice", "/v2.0/ports?device_id=vm-20000"},
		{"ByProject", "/v2.0/ports?project_id=p500"},
		{"ByIP", "/v2.0/ports?fixed_ips=ip_address%3D" + middle.IPs()[0].String()},
		{"ByPartOfIP", "/v2.0/ports?fixed_ips=ip_address_substr%3D.77.77"},
		{"ByHost", "/v2.0/ports?binding:host_id=none"},
		{"All", "/v2.0/ports"},
		{"SortedByName", "/v2.0/ports?limit=100&sort_key=name&sort_dir=asc&marker=" + middle.ID()},
		{"SortedPage", "/v2.0/ports?limit=100&sort_key=mac_address&sort_dir=asc"},
		{"NetworkByName", "/v2.0/networks?name=net-4000"},
		{"NetworksPage", "/v2.0/networks?limit=100"},
		{"NetworksAll", "/v2.0/networks"},
	} {
		b.Run(row.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				rec := httptest.NewRecorder()
				w.handler.ServeHTTP(rec, httptest.NewRequestWithContext(b.Context(), http.MethodGet, row.target, nil))
				if rec.Code != http.StatusOK || rec.Body.Len() < 10 {
					b.Fatal(rec.Code)
				}
			}
		})
	}
}
