package main

import (
	"fmt"
	"net"
	"strconv"
	"strings"
	"unicode"

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
// in. Spaces, ends of lines and quotes around an element are left out.
func parseOVSDBHosts(s, usual string) ([]ovsdbHost, error) {
	var hosts []ovsdbHost
	seen := map[string]bool{}
	for element := range strings.SplitSeq(s, ",") {
		if element = bare(element); element == "" {
			continue
		}
		name, where, _ := strings.Cut(element, ":")
		name, where = strings.TrimSpace(name), strings.TrimSpace(where)
		fault := func(what string) error {
			return fmt.Errorf("--ovsdb-hosts: %q: %s: it must look like name:host:port, such as tor1:192.0.2.1:6640", element, what)
		}
		switch {
		case name == "":
			return nil, fault("the name is missing")
		case strings.ContainsFunc(name, func(r rune) bool { return unicode.IsSpace(r) || !unicode.IsPrint(r) }):
			return nil, fault("there is a space or an unprintable character in the name; is a comma missing?")
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
			if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 {
				return nil, fault(strconv.Quote(port) + " is no port, which is a number from 1 to 65535")
			}
		} else if rest == "" {
			return nil, fault("the path is missing")
		}
		hosts = append(hosts, ovsdbHost{name: name, endpoint: protocol + ":" + rest})
	}
	return hosts, nil
}

// bare is an element of a list as ini files have it, which may go on in further
// lines and whose elements may be in quotes.
func bare(element string) string {
	return strings.TrimFunc(element, func(r rune) bool { return unicode.IsSpace(r) || r == '\'' || r == '"' })
}
