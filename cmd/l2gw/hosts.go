package main

import (
	"fmt"
	"net"
	"strings"

	"l2gw/ovsdb"
)

// ovsdbHost is an element of --ovsdb-hosts: a switch database and where it is.
type ovsdbHost struct {
	name     string
	endpoint string // as ovsdb.ParseEndpoint reads it; "" if the switch dials in
	files    ovsdb.TLSFiles
}

// parseOVSDBHosts reads "name:host:port,…" (networking-l2gw: [ovsdb]
// ovsdb_hosts). A host may be an IPv6 address in brackets; before it the
// protocol may stand ("tor:ssl:192.0.2.1:6640"; usual if none does), or
// "unix:PATH" in place of host and port. "name:passive" is a switch that dials
// in. Spaces and quotes around an element are left out.
func parseOVSDBHosts(s, usual string) ([]ovsdbHost, error) {
	var hosts []ovsdbHost
	seen := map[string]bool{}
	for element := range strings.SplitSeq(s, ",") {
		element = strings.Trim(element, " '\"\t")
		if element == "" {
			continue
		}
		name, where, _ := strings.Cut(element, ":")
		fault := func(what string) error {
			return fmt.Errorf("--ovsdb-hosts: %q: %s: it must look like name:host:port, such as tor1:192.0.2.1:6640", element, what)
		}
		switch {
		case name == "":
			return nil, fault("the name is missing")
		case seen[name]:
			return nil, fault("the name " + name + " is there twice")
		}
		seen[name] = true
		if where == "passive" {
			hosts = append(hosts, ovsdbHost{name: name})
			continue
		}
		protocol, rest, ok := strings.Cut(where, ":")
		if !ok || protocol != "tcp" && protocol != "ssl" && protocol != "unix" {
			protocol, rest = usual, where
		}
		if protocol != "unix" {
			host, port, err := net.SplitHostPort(rest)
			if err != nil || host == "" || port == "" {
				return nil, fault("host and port are not to be made out")
			}
		} else if rest == "" {
			return nil, fault("the path is missing")
		}
		hosts = append(hosts, ovsdbHost{name: name, endpoint: protocol + ":" + rest})
	}
	return hosts, nil
}
