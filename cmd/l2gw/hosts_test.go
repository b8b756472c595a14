package main

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestOVSDBHostsAreReadAsOperatorsWriteThem(t *testing.T) {
	for in, want := range map[string][]ovsdbHost{
		"":                                     nil,
		"tor1:192.0.2.1:6640":                  {{name: "tor1", endpoint: "tcp:192.0.2.1:6640"}},
		"'tor1:192.0.2.1:6640', tor2:h:6632":   {{name: "tor1", endpoint: "tcp:192.0.2.1:6640"}, {name: "tor2", endpoint: "tcp:h:6632"}},
		"tor1:192.0.2.1:6640,\n tor2:h:6632\n": {{name: "tor1", endpoint: "tcp:192.0.2.1:6640"}, {name: "tor2", endpoint: "tcp:h:6632"}},
		"tor1 : 192.0.2.1:6640":                {{name: "tor1", endpoint: "tcp:192.0.2.1:6640"}},
		"tor1:[2001:db8::1]:6640":              {{name: "tor1", endpoint: "tcp:[2001:db8::1]:6640"}},
		"tor1:ssl:192.0.2.1:6640":              {{name: "tor1", endpoint: "ssl:192.0.2.1:6640"}},
		"tor1:passive,tor2:h:6632":             {{name: "tor1", endpoint: ""}, {name: "tor2", endpoint: "tcp:h:6632"}},
		"tor1:unix:/run/db.sock":               {{name: "tor1", endpoint: "unix:/run/db.sock"}},
	} {
		got, err := parseOVSDBHosts(in, "tcp")
		if err != nil {
			t.Errorf("%q: %v", in, err)
		}
		if diff := cmp.Diff(want, got, cmp.AllowUnexported(ovsdbHost{})); diff != "" {
			t.Errorf("%q (-want +got):\n%s", in, diff)
		}
	}
	for in, want := range map[string]string{
		"192.0.2.1:6640":            "host and port",
		"tor1:192.0.2.1:66400":      `"66400" is no port`,
		"tor1:192.0.2.1:0":          `"0" is no port`,
		"tor1:192.0.2.1:6640 # old": `"6640 # old" is no port`,
		"tor1:ssl:h:ovsdb":          `"ovsdb" is no port`,
		"tor1:h:1\ntor2:h:2":        "host and port",
		"tor1\ntor2:h:2":            "space",
		":192.0.2.1:6640":           "the name is missing",
		"a:h:1,a:h:2":               "twice",
		"tor1:unix:":                "the path is missing",
		"tor1:2001:db8::1:6640":     "host and port",
		"tor1":                      "host and port",
		"tor1:192.0.2.1:6640,tor2:": "host and port",
	} {
		if _, err := parseOVSDBHosts(in, "tcp"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", in, err, want)
		}
	}
}
