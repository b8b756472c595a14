package ovsdb

import (
	"strings"
	"testing"
	"time"
)

func TestEndpointsAreReadAndWritten(t *testing.T) {
	for _, c := range []struct {
		in   string
		want Endpoint
		out  string // "" if as in
	}{
		{"tcp:192.0.2.1:6641", Endpoint{Network: "tcp", Address: "192.0.2.1:6641"}, ""},
		{"tcp:switch.example", Endpoint{Network: "tcp", Address: "switch.example:6640"}, "tcp:switch.example:6640"},
		{"ssl:[2001:db8::1]:6640", Endpoint{Network: "tcp", Address: "[2001:db8::1]:6640", TLS: true}, ""},
		{"tcp:[::1]", Endpoint{Network: "tcp", Address: "[::1]:6640"}, "tcp:[::1]:6640"},
		{"unix:/run/db.sock", Endpoint{Network: "unix", Address: "/run/db.sock"}, ""},
		{"ptcp:6640", Endpoint{Network: "tcp", Address: ":6640", Passive: true}, ""},
		{"ptcp:", Endpoint{Network: "tcp", Address: ":6640", Passive: true}, "ptcp:6640"},
		{"pssl:0:127.0.0.1", Endpoint{Network: "tcp", Address: "127.0.0.1:0", TLS: true, Passive: true}, ""},
		{"ptcp:6640:[::1]", Endpoint{Network: "tcp", Address: "[::1]:6640", Passive: true}, ""},
		{"punix:/x", Endpoint{Network: "unix", Address: "/x", Passive: true}, ""},
	} {
		got, err := ParseEndpoint(c.in)
		if err != nil || got != c.want {
			t.Errorf("%s: %+v, %v", c.in, got, err)
		}
		out := c.out
		if out == "" {
			out = c.in
		}
		if got.String() != out {
			t.Errorf("%s is written as %s, want %s", c.in, got, out)
		}
	}
}

func TestABadEndpointIsRefusedWithAReason(t *testing.T) {
	for in, want := range map[string]string{
		"192.0.2.1":         "no colon",
		"http://x":          "none of tcp",
		"tcp:":              "host is missing",
		"tcp:h:0":           "no port number",
		"tcp:h:65536":       "no port number",
		"tcp:h:x":           "no port number",
		"tcp:2001:db8::1:1": "brackets",
		"tcp:[::1":          "not closed",
		"tcp:[::1]6640":     "colon and the port",
		"unix:":             "path is missing",
		"ptcp:x":            "no port number",
	} {
		if _, err := ParseEndpoint(in); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want …%s…", in, err, want)
		}
	}
	for _, e := range []string{"ssl:h", "ptcp:1", "nonsense"} {
		if _, err := Dialer(nil, e); err == nil {
			t.Errorf("Dialer takes %s without certificates", e)
		}
		if _, err := Dial(t.Context(), e, nil); err == nil {
			t.Errorf("Dial takes %s", e)
		}
		if l, err := Listen(strings.Replace(strings.Replace(e, "ptcp", "tcp", 1), "ssl", "pssl", 1), ListenOptions{}); err == nil {
			l.Close()
			t.Errorf("Listen takes %s", e)
		}
	}
}

func TestWaitsGrowUpToALimitWithJitter(t *testing.T) {
	var r float64
	b := Backoff{Min: time.Second, Max: 5 * time.Second, Rand: func() float64 { return r }}
	for i, want := range []time.Duration{time.Second, 2 * time.Second, 4 * time.Second, 5 * time.Second, 5 * time.Second} {
		r = 0
		if got := b.Delay(i + 1); got != want/2 {
			t.Errorf("after %d failures at least %s, want %s", i+1, got, want/2)
		}
		r = 0.999999999
		if got := b.Delay(i + 1); got > want || got < want-time.Microsecond {
			t.Errorf("after %d failures at most %s, want %s", i+1, got, want)
		}
	}
	if d := (Backoff{}).Delay(1000); d < 5*time.Second || d > 10*time.Second {
		t.Errorf("by default at most %s", d)
	}
}
