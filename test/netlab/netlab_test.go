package netlab

import (
	"io"
	"net"
	"net/netip"
	"os/exec"
	"testing"
	"time"
)

// reaches pings once.
func reaches(from *Host, to netip.Addr) bool {
	c := from.Command("ping", "-c", "1", "-W", "1", to.String())
	return exec.Command(c[0], c[1:]...).Run() == nil
}

func TestALinkIsCutInSilenceAndHeals(t *testing.T) {
	if !Enter(t) {
		return
	}
	l := New(t)
	a, b := l.Host("a"), l.Host("b")
	link, there := l.Link(a, b)
	check := func(when string, direct, hub bool) {
		t.Helper()
		if reaches(a, there) != direct || reaches(a, a.Hub) != hub || reaches(a, Hub) != hub {
			t.Errorf("%s: over the link %v, to the hub %v", when, !direct, !hub)
		}
	}
	check("at first", true, true)
	link.Cut()
	check("after a cut", false, true)
	link.Heal()
	link.CutFrom(1)
	check("after a cut of the way back", false, true)
	link.Heal()
	a.Uplink.Cut()
	check("after a cut of the uplink", true, false)
	a.Uplink.Heal()
	check("after all is healed", true, true)
}

func TestASlowLinkTakesItsTime(t *testing.T) {
	if !Enter(t) {
		return
	}
	l := New(t)
	a := l.Host("a")
	listener, err := net.Listen("tcp", net.JoinHostPort(a.Hub.String(), "0"))
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	go func() {
		for {
			c, err := listener.Accept()
			if err != nil {
				return
			}
			_, _ = io.Copy(c, io.LimitReader(zeros{}, 200_000))
			c.Close()
		}
	}()
	took := func() time.Duration {
		begin := time.Now()
		_, port, _ := net.SplitHostPort(listener.Addr().String())
		c := a.Command("bash", "-c", "wc -c </dev/tcp/"+a.Hub.String()+"/"+port)
		if out, err := exec.Command(c[0], c[1:]...).CombinedOutput(); err != nil || string(out) != "200000\n" {
			t.Fatalf("%v %s", err, out)
		}
		return time.Since(begin)
	}
	a.Uplink.Slow(100_000)
	if d := took(); d < time.Second {
		t.Errorf("200 kB at 100 kB/s took %v", d)
	}
	a.Uplink.Heal()
	const patience = 30 * time.Second
	for deadline := time.Now().Add(patience); ; { // a busy machine is slow now and then
		fast := took()
		if fast < time.Second {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("for %v each 200 kB over a healed link have taken a second or more, the last %v", patience, fast)
		}
	}
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) { clear(b); return len(b), nil }
