package main

import (
	"errors"
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
// in. Spaces, ends of lines and quotes around an element are left out. The error
// names each element that is wrong; the others are returned with it.
func parseOVSDBHosts(s, usual string) ([]ovsdbHost, error) {
	var hosts []ovsdbHost
	var errs []error
	seen := map[string]bool{}
	for element := range strings.SplitSeq(s, ",") {
		if element = bare(element); element == "" {
			continue
		}
		h, fault := parseOVSDBHost(element, usual)
		if fault == "" && seen[h.name] {
			fault = "the name " + h.name + " is there twice"
		}
		if fault != "" {
			errs = append(errs, fmt.Errorf("--ovsdb-hosts: %q: %s: it must look like name:host:port, such as tor1:192.0.2.1:6640", element, fault))
			continue
		}
		seen[h.name] = true
		hosts = append(hosts, h)
	}
	return hosts, errors.Join(errs...)
}

// parseOVSDBHost reads one element, or says what is wrong with it.
func parseOVSDBHost(element, usual string) (h ovsdbHost, fault string) {
	name, where, _ := strings.Cut(element, ":")
	name, where = strings.TrimSpace(name), strings.TrimSpace(where)
	switch {
	case name == "":
		return h, "the name is missing"
	case strings.ContainsFunc(name, func(r rune) bool { return unicode.IsSpace(r) || !unicode.IsPrint(r) }):
		return h, "there is a space or an unprintable character in the name; is a comma missing?"
	case where == "passive":
		return ovsdbHost{name: name}, ""
	}
	protocol, rest, ok := strings.Cut(where, ":")
	if !ok || protocol != "tcp" && protocol != "ssl" && protocol != "unix" {
		protocol, rest = usual, where
	}
	h = ovsdbHost{name: name, endpoint: protocol + ":" + rest}
	if protocol == "unix" {
		if rest == "" {
			return h, "the path is missing"
		}
		return h, ""
	}
	host, port, err := net.SplitHostPort(rest)
	if err != nil || host == "" || port == "" {
		return h, "host and port are not to be made out"
	}
	if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 {
		return h, strconv.Quote(port) + " is no port, which is a number from 1 to 65535"
	}
	return h, ""
}

// bare is an element of a list as ini files have it, which may go on in further
// lines and whose elements may be in quotes.
func bare(element string) string {
	return strings.TrimFunc(element, func(r rune) bool { return unicode.IsSpace(r) || r == '\'' || r == '"' })
}
