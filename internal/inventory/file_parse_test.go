package inventory

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"l2gw"
)

const sample = `networks:
  - {id: 7d0e2d22-8f3c-4c5b-9b40-3d1f3f6f0a01, name: net-a, vni: 5001, mtu: 1450}
  - {name: net-b, vni: 5002}
hosts:
  - {name: compute-1, vtep: 10.77.0.11}
  - {name: compute-2, vtep: 10.77.0.12}
ports:
  - {network: net-a, host: compute-1, mac: "fa:16:3e:00:00:01", ips: [10.5.0.11, "2001:db8::11"]}
  - network: 7d0e2d22-8f3c-4c5b-9b40-3d1f3f6f0a01
    host: compute-2
    mac: FA-16-3E-00-00-02
`

func TestAFileBecomesSegments(t *testing.T) {
	segs := segments(t, sample)
	a := segs["7d0e2d22-8f3c-4c5b-9b40-3d1f3f6f0a01"]
	if a == nil || len(segs) != 2 {
		t.Fatalf("segments %v", segs)
	}
	if a.Name != "net-a" || a.VNI != 5001 || a.MTU != 1450 || (a.Version != l2gw.Version{}) {
		t.Errorf("segment %+v", a)
	}
	want := []netip.Addr{netip.MustParseAddr("10.77.0.11"), netip.MustParseAddr("10.77.0.12")}
	if diff := cmp.Diff(want, a.VTEPs, cmpAddr); diff != "" {
		t.Errorf("VTEPs (-want +got):\n%s", diff)
	}
	h, _ := a.Hosts.Get(l2gw.MAC{0xfa, 0x16, 0x3e, 0, 0, 1})
	if h.VTEP != want[0] || fmt.Sprint(h.IPs) != "[10.5.0.11 2001:db8::11]" {
		t.Errorf("host %+v", h)
	}
	if h, _ := a.Hosts.Get(l2gw.MAC{0xfa, 0x16, 0x3e, 0, 0, 2}); h.VTEP != want[1] || h.IPs != nil {
		t.Errorf("host %+v", h)
	}
	b := segs[l2gw.NetworkIDFromName("net-b")]
	if b == nil || b.VNI != 5002 || b.MTU != 0 || b.Hosts.Len() != 0 || len(b.VTEPs) != 0 {
		t.Errorf("segment %+v", b)
	}
}

func TestTheExampleOfTheDocumentationIsAnInventory(t *testing.T) {
	text, err := os.ReadFile("../../docs/inventory.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if segs := segments(t, string(text)); segs[l2gw.NetworkIDFromName("net-a")].Hosts.Len() != 2 || len(segs) != 2 {
		t.Errorf("segments %v", segs)
	}
}

// While a machine migrates, both hosts have a port for it. Broadcasts go to
// both; for unicast, what was added to the file later counts.
func TestAMACThatMigratesIsOnBothVTEPsAndTheLaterPortWins(t *testing.T) {
	segs := segments(t, sample+"  - {network: net-a, host: compute-2, mac: 'fa:16:3e:00:00:01', ips: [10.5.0.99]}\n")
	a := segs["7d0e2d22-8f3c-4c5b-9b40-3d1f3f6f0a01"]
	if len(a.VTEPs) != 2 || a.Hosts.Len() != 2 {
		t.Errorf("%d VTEPs, %d hosts, want 2 and 2", len(a.VTEPs), a.Hosts.Len())
	}
	h, _ := a.Hosts.Get(l2gw.MAC{0xfa, 0x16, 0x3e, 0, 0, 1})
	if h.VTEP.String() != "10.77.0.12" || fmt.Sprint(h.IPs) != "[10.5.0.99]" {
		t.Errorf("host %+v, want the later port's", h)
	}
}

func TestAFileInJSONNeedsNoLineBreakAtItsEnd(t *testing.T) {
	segs := segments(t, `{"networks": [{"name": "n", "vni": 7}], "hosts": [], "ports": []}`)
	if len(segs) != 1 {
		t.Errorf("segments %v", segs)
	}
}

func TestAnchorsMayBeUsed(t *testing.T) {
	segs := segments(t, strings.ReplaceAll(strings.Replace(sample, "host: compute-1", "host: &c compute-1", 1), "host: compute-2", "host: *c"))
	if got := segs["7d0e2d22-8f3c-4c5b-9b40-3d1f3f6f0a01"].VTEPs; len(got) != 1 {
		t.Errorf("VTEPs %v, want one", got)
	}
}

// Each row damages the sample in one way. The message names line, value and
// what would be right.
func TestEachMistakeIsNamed(t *testing.T) {
	for _, row := range []struct{ old, new, want string }{
		{"vni: 5002", "vni: 0", `f:3: vni 0 is out of range: it must be a number from 1 to 16777215`},
		{"vni: 5002", "vni: 16777216", `f:3: vni 16777216 is out of range: it must be a number from 1 to 16777215`},
		{"vni: 5002", `vni: "5002"`, `f:3: vni is the text "5002": it must be a number from 1 to 16777215`},
		{"vni: 5002", "vni: 1.5", `f:3: vni is the number 1.5: it must be a number from 1 to 16777215`},
		{"vni: 5002", "vni: 99999999999999999999", `f:3: vni is the number 99999999999999999999: it must be a number from 1 to 16777215`},
		{"vni: 5002", "vni: 5001", `f:3: vni 5001 is that of the network in line 2 already: each network needs its own`},
		{", vni: 5002", "", `f:3: the network "net-b" has no vni: it must be a number from 1 to 16777215; or give it segments`},
		{"vni: 5002", "vin: 5002, vni: 5002", `f:3: a network has the unknown key "vin": known are id, name, vni, mtu, description, project_id, shared, segments`},
		{"vni: 5002", "vni: 5002, vni: 5002", `f:3: a network has the key vni twice: it must be there once`},
		{"mtu: 1450", "mtu: 20", `f:2: mtu 20 is out of range: it must be a number from 68 to 65535`},
		{"name: net-b", "name: net-a", `f:3: the network's name "net-a" is that of the network in line 2 already: it must be its own`},
		{"{name: net-b, vni", "{vni", `f:3: a network has neither name nor id: it needs one of them`},
		{"name: net-b", "name: 12", `f:3: the network's name is the number 12: it must be text; write it in quotes`},
		{"name: net-b", "name: true", `f:3: the network's name is "true": it must be text; write it in quotes`},
		{"name: net-b", `name: ""`, `f:3: the network's name is the text "": it must be text`},
		{"name: net-b", `name: "a\u0000b"`, `f:3: the network's name "a\x00b" has a control character: it must be plain text`},
		{"name: net-b", "name: " + strings.Repeat("ä", 256), `f:3: the network's name has 256 characters: it may have 255`},
		{"name: net-b", "name: net-b, id: net-b", `f:3: the network's id "net-b" is not a UUID: it must look like 6ba7b810-9dad-11d1-80b4-00c04fd430c8; or leave it out, and it is derived from the name`},
		{"name: net-b", "name: net-b, id: 7D0E2D22-8F3C-4C5B-9B40-3D1F3F6F0A01", `f:3: the network's id "7d0e2d22-8f3c-4c5b-9b40-3d1f3f6f0a01" is that of the network in line 2 already: it must be its own`},
		{"vtep: 10.77.0.12", "vtep: 10.77.0.300", `f:6: vtep "10.77.0.300" is not an IP address: it must look like 10.77.0.11`},
		{"vtep: 10.77.0.12", "vtep: 224.0.0.1", `f:6: vtep "224.0.0.1" is not one host's address: it must look like 10.77.0.11`},
		{"vtep: 10.77.0.12", "vtep: 'fd00::1'", `f:6: vtep "fd00::1" is an IPv6 address: hardware_vtep knows VXLAN over IPv4 only, so it must be one like 10.77.0.11`},
		{"vtep: 10.77.0.12", "vtep: 10.77.0.11", `f:6: vtep 10.77.0.11 is that of host "compute-1" already: each host needs its own`},
		{", vtep: 10.77.0.12", "", `f:6: a host has no vtep: it needs name, vtep`},
		{"ports:", "  - {name: compute-1, vtep: 10.77.0.13}\nports:", `f:7: the host "compute-1" stands in line 5 already: it must be there once`},
		{"network: net-a", "network: net-c", `f:8: network "net-c" is unknown: it must be one of the networks, by name or id`},
		{"host: compute-1", "host: compute-9", `f:8: host "compute-9" is unknown: it must be one of the hosts, by name`},
		{"host: compute-1", "host: [compute-1]", `f:8: host is a list: it must be text`},
		{"host: compute-1, ", "", `f:8: a port has no host: it needs network, host, mac`},
		{`"fa:16:3e:00:00:01"`, "fa:16:3e", `f:8: mac "fa:16:3e" is not a MAC address: it must look like fa:16:3e:00:00:01`},
		{`"fa:16:3e:00:00:01"`, "1", `f:8: mac is the number 1: it must be text; write it in quotes`},
		{`"fa:16:3e:00:00:01"`, `"01:00:5e:00:00:01"`, `f:8: mac "01:00:5e:00:00:01" is a group address or zero: a host's has an even first byte, like fa:16:3e:00:00:01`},
		{"10.5.0.11", "10.5.0", `f:8: ip "10.5.0" is not an IP address: it must look like 10.5.0.11 or 2001:db8::11`},
		{"2001:db8::11", "fe80::1%eth0", `f:8: ip "fe80::1%eth0" is not an IP address: it must look like 10.5.0.11 or 2001:db8::11`},
		{"2001:db8::11", "10.5.0.11", `f:8: ip 10.5.0.11 stands twice in this port: it must be there once`},
		{"ips: [10.5.0.11, \"2001:db8::11\"]", "ips: 10.5.0.11", `f:8: ips is the text "10.5.0.11": it must be a list like [10.5.0.11]`},
		{
			"FA-16-3E-00-00-02\n", "FA-16-3E-00-00-02\n  - {network: net-a, host: compute-2, mac: 'fa:16:3e:00:00:02'}\n",
			`f:12: mac fa:16:3e:00:00:02 stands in line 9 already, on the same host: it must be there once`,
		},
		{"ports:\n", "port:\n", "f:1: the key ports is missing: if there are none, write ports: []\n" + `f:7: the file has the unknown key "port": known are networks, hosts, ports`},
		{"FA-16-3E-00-00-02\n", "FA-16-3E-00-00-02", `f:11: the last line has no line break at its end: the file looks half-written`},
		{"FA-16-3E-00-00-02\n", "FA-16-3E-00-00-02\n---\nports: []\n", `f:12: a second YAML document begins here: there must be one`},
		{"{name: net-b", "{name: net-b]", `f:3: not valid YAML: did not find expected ',' or '}', in what begins in this line`},
		{"    host: compute-2", "   host: compute-2", `f:8: not valid YAML: did not find expected '-' indicator, in what begins in this line`},
		{"- {name: net-b, vni: 5002}", "- net-b", `f:3: a network is the text "net-b": it must be a mapping with the keys id, name, vni, mtu, description, project_id, shared, segments`},
	} {
		t.Run(row.new, func(t *testing.T) {
			text := strings.Replace(sample, row.old, row.new, 1)
			if text == sample {
				t.Fatalf("the sample has no %q", row.old)
			}
			_, err := parse("f", []byte(text))
			if err == nil {
				t.Fatal("no error")
			}
			if diff := cmp.Diff(row.want, err.Error()); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestAMACOnThreeHostsIsAMistake(t *testing.T) {
	_, err := parse("f", []byte(`networks: [{name: n, vni: 1}]
hosts: [{name: a, vtep: 10.0.0.1}, {name: b, vtep: 10.0.0.2}, {name: c, vtep: 10.0.0.3}]
ports:
  - {network: n, host: a, mac: "02:00:00:00:00:01"}
  - {network: n, host: b, mac: "02:00:00:00:00:01"}
  - {network: n, host: c, mac: "02:00:00:00:00:01"}
`))
	if want := `f:6: mac 02:00:00:00:00:01 is on a third host, "c": it may be on two while it migrates`; err == nil || err.Error() != want {
		t.Errorf("error %v, want %s", err, want)
	}
}

func TestAFileWithoutContentsIsNotAFileWithoutNetworks(t *testing.T) {
	for _, text := range []string{"", "\n", "# nothing\n", "---\n", "...\n", "networks: []\n", "networks:\nhosts:\nports:\n", "[]\n", "x\n"} {
		if _, err := parse("f", []byte(text)); err == nil {
			t.Errorf("%q is taken for an inventory", text)
		}
	}
	if segs := segments(t, "networks: []\nhosts: []\nports: []\n"); len(segs) != 0 {
		t.Errorf("segments %v, want none", segs)
	}
}

func TestAllProblemsAreToldUpToTwenty(t *testing.T) {
	var b strings.Builder
	b.WriteString("networks: []\nhosts: []\nports:\n")
	for range 13 {
		b.WriteString("  - {network: n, host: h, mac: \"02:00:00:00:00:01\"}\n")
	}
	_, err := parse("f", []byte(b.String()))
	var fe *FileError
	if !errors.As(err, &fe) {
		t.Fatalf("error %v", err)
	}
	if len(fe.Problems) != 20 || fe.More != 6 || fe.Problems[0].Line != 4 {
		t.Errorf("%d problems and %d more, the first in line %d; want 20, 6, 4", len(fe.Problems), fe.More, fe.Problems[0].Line)
	}
	if !strings.HasSuffix(err.Error(), "\nf: and 6 more") {
		t.Errorf("error %v", err)
	}
}

// A truncation is either seen as one, or it leaves a whole number of lines of
// the last list, which only the one who wrote the file can tell from a removal.
func TestAFileThatIsCutOffIsBroken(t *testing.T) {
	for n := range len(sample) {
		_, err := parse("f", []byte(sample[:n]))
		if err == nil && (n < strings.Index(sample, "fa:16") || sample[n-1] != '\n') {
			t.Errorf("cut after %q it is taken for whole", sample[:n])
		}
	}
}

func FuzzParseNeverPanics(f *testing.F) {
	f.Add(sample)
	f.Add("networks: &a [*a]\nhosts: *a\nports: [<<: *a]\n")
	f.Add("? {a: b}\n: c\n")
	f.Fuzz(func(t *testing.T, text string) {
		c, err := parse("f", []byte(text))
		if err != nil && err.Error() == "" {
			t.Error("an error without words")
		}
		if err == nil {
			c.update(nil)
		}
	})
}

// big has 100,000 ports on 1,000 hosts in one network.
func big() []byte {
	var b strings.Builder
	b.WriteString("networks: [{name: net-a, vni: 5001}]\nhosts:\n")
	for i := range 1000 {
		fmt.Fprintf(&b, "  - {name: compute-%d, vtep: 10.77.%d.%d}\n", i, i>>8, i&255)
	}
	b.WriteString("ports:\n")
	for i := range 100_000 {
		fmt.Fprintf(&b, "  - {network: net-a, host: compute-%d, mac: \"fa:16:3e:%02x:%02x:%02x\", ips: [10.5.%d.%d]}\n",
			i%1000, i>>16, i>>8&255, i&255, i>>8&255, i&255)
	}
	return []byte(b.String())
}

func BenchmarkLoad100000Ports(b *testing.B) {
	text := big()
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		c, err := parse("f", text)
		if err != nil {
			b.Fatal(err)
		}
		c.update(nil)
	}
}

func BenchmarkReload100000PortsWithOneMore(b *testing.B) {
	text := big()
	c, err := parse("f", text)
	if err != nil {
		b.Fatal(err)
	}
	_, have := c.update(nil)
	text = append(text, "  - {network: net-a, host: compute-1, mac: \"02:00:00:00:00:01\"}\n"...)
	for b.Loop() {
		c, err := parse("f", text)
		if err != nil {
			b.Fatal(err)
		}
		if u, _ := c.update(have); len(u.Changed) != 1 || len(u.Changed[0].Delta.Set) != 1 {
			b.Fatalf("update %+v", u)
		}
	}
}

var cmpAddr = cmp.Comparer(func(a, b netip.Addr) bool { return a == b })

func segments(t testing.TB, text string) map[string]*l2gw.Segment {
	t.Helper()
	c, err := parse("f", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	_, segs := c.update(nil)
	return segs
}
