package api

import (
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"testing"

	"l2gw"
	"l2gw/internal/store"

	"pgregory.net/rapid"
)

// few is a directory of three networks and 30 ports, many of which are alike.
func few() *l2gw.Directory {
	networks := make([]l2gw.DirectoryNetwork, 3)
	for i := range networks {
		networks[i] = l2gw.DirectoryNetwork{
			Network: l2gw.Network{ID: l2gw.NetworkIDFromName(fmt.Sprint(i)), Name: fmt.Sprint(i), ProjectID: fmt.Sprint("p", i%2)},
			Ports:   map[l2gw.MAC]*l2gw.PortDetails{},
		}
	}
	for i := range 30 {
		n := &networks[i%3]
		h := l2gw.Host{MAC: l2gw.MAC{2, 0, 0, 0, 0, byte(i / 2)}}
		for ip := range i % 3 {
			h.IPs = append(h.IPs, netip.AddrFrom4([4]byte{10, 0, byte(ip), byte(i % 5)}))
		}
		n.Hosts = n.Hosts.Set(h.MAC, h)
		if i%4 > 0 {
			n.Ports[h.MAC] = &l2gw.PortDetails{Name: fmt.Sprint("n", i%4), DeviceID: fmt.Sprint("vm", i%5)}
		}
	}
	return l2gw.NewDirectory(networks, nil)
}

// pick is quick; cut looks at everything, sorts everything and is plain.
func TestWhatIsPickedIsWhatACutOfTheWholeListHas(t *testing.T) {
	d := few()
	all := make([]l2gw.Port, d.PortCount())
	for i := range all {
		all[i] = d.Port(i)
	}
	shelf := shelf[l2gw.Port]{n: d.PortCount(), at: d.Port, find: d.FindPort, narrow: portsNear(d)}
	values := map[string][]string{
		"id":          {all[0].ID(), all[9].ID(), all[10].ID(), "x"},
		"network_id":  {l2gw.NetworkIDFromName("0"), l2gw.NetworkIDFromName("1"), "x"},
		"name":        {"", "n1", "n3"},
		"device_id":   {"", "vm2", "vm4"},
		"project_id":  {"p0", "p1", ""},
		"mac_address": {"02:00:00:00:00:03", "02-00-00-00-00-04", "x"},
		"fixed_ips":   {"ip_address=10.0.0.3", "ip_address_substr=.1.", "subnet_id=x"},
	}
	attributes := make([]string, 0, len(values))
	for name := range values {
		attributes = append(attributes, name)
	}
	slices.Sort(attributes)
	rapid.Check(t, func(t *rapid.T) {
		q := store.Query{Limit: rapid.IntRange(0, 8).Draw(t, "limit"), Reverse: rapid.Bool().Draw(t, "reverse"), Filter: map[string][]string{}}
		for _, name := range rapid.SliceOfNDistinct(rapid.SampledFrom(attributes), 0, 3, rapid.ID).Draw(t, "filters") {
			q.Filter[name] = rapid.SliceOfN(rapid.SampledFrom(values[name]), 0, 3).Draw(t, name)
		}
		for _, name := range rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"name", "device_id", "mac_address", "id", "network_id"}), 0, 2, rapid.ID).Draw(t, "sort") {
			q.Sort = append(q.Sort, store.SortKey{Key: name, Descending: rapid.Bool().Draw(t, "descending")})
		}
		if at := rapid.IntRange(-10, len(all)-1).Draw(t, "marker"); at >= 0 {
			q.Marker = all[at].ID()
		}
		p := page{limit: q.Limit, marker: q.Marker, reverse: q.Reverse}
		for _, k := range q.Sort {
			p.sort = append(p.sort, sortKey{k.Key, k.Descending})
		}
		want, err := cut(asStored(p, portAttributes), slices.Clone(all), portAttributes, portID, url.Values(q.Filter))
		if err != nil {
			t.Fatal(err)
		}
		got, err := pick(q, portAttributes, shelf)
		if err != nil || !slices.Equal(got, want) {
			t.Fatalf("%+v: %v %v, want %v", q, ids(got), err, ids(want))
		}
	})
	if _, err := pick(store.Query{Marker: "x"}, portAttributes, shelf); l2gw.ErrorCode(err) != l2gw.Invalid {
		t.Errorf("an unknown marker: %v", err)
	}
}

func ids(ports []l2gw.Port) []string {
	return mapped(ports, func(p l2gw.Port) string { return p.ID() })
}
