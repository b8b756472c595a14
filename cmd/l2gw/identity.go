package main

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"slices"
	"strings"

	"l2gw/internal/pki"
	"l2gw/ovsdb"
)

// The kinds of an identity.
const (
	bySHA256  = "sha256" // the fingerprint of the certificate
	byCN      = "cn"     // the common name of its subject
	bySAN     = "san"    // one of its alternative names: DNS, IP address or URI
	byAddress = "addr"   // the address that the switch dials in from
)

// identity is one way to know a switch: an element of --ovsdb-identity.
type identity struct{ kind, value string }

func (i identity) String() string { return i.kind + ":" + i.value }

// identities are the ways in which the switch of each database is known; any
// one of a database's is enough.
type identities map[string][]identity

// parseIdentities reads NAME=KIND:VALUE. An identity belongs to one database. The
// error names each that is wrong; the others are returned with it.
func parseIdentities(options []string) (identities, error) {
	ids, owner := identities{}, map[identity]string{}
	var errs []error
	for _, text := range options {
		name, id, fault := parseIdentity(text)
		if other, taken := owner[id]; fault == "" && taken {
			fault = "database " + other + " is known by it already"
		}
		if fault != "" {
			errs = append(errs, fmt.Errorf("--ovsdb-identity %q: %s: it must look like tor3=sha256:FINGERPRINT, tor3=cn:NAME, tor3=san:NAME or tor3=addr:192.0.2.13", text, fault))
			continue
		}
		owner[id] = name
		ids[name] = append(ids[name], id)
	}
	return ids, errors.Join(errs...)
}

// parseIdentity reads one of them, or says what is wrong with it.
func parseIdentity(text string) (database string, id identity, fault string) {
	database, rest, _ := strings.Cut(text, "=")
	kind, value, _ := strings.Cut(rest, ":")
	if database == "" || value == "" {
		return "", id, "the database or the value is missing"
	}
	switch kind {
	case bySHA256:
		value = strings.ToLower(strings.ReplaceAll(value, ":", ""))
		if b, err := hex.DecodeString(value); err != nil || len(b) != sha256.Size {
			return "", id, "a SHA-256 fingerprint has 64 hexadecimal digits"
		}
	case byAddress:
		a, err := netip.ParseAddr(value)
		if err != nil {
			return "", id, "that is no IP address"
		}
		value = a.Unmap().String()
	case byCN, bySAN:
	default:
		return "", id, "the kind is none of sha256, cn, san, addr"
	}
	return database, identity{kind, value}, ""
}

// check finds what cannot be meant: hosts are the databases, listen is the
// endpoint for switches that dial in, or nil.
func (ids identities) check(hosts []ovsdbHost, listen *ovsdb.Endpoint) error {
	known := map[string]ovsdbHost{}
	passive := 0
	for _, h := range hosts {
		known[h.name] = h
		if h.endpoint != "" {
			continue
		}
		passive++
		switch {
		case listen == nil:
			return fmt.Errorf("--ovsdb-hosts: %s dials in, but --ovsdb-listen does not say where: such as pssl:6640", h.name)
		case !listen.TLS && len(ids[h.name]) == 0:
			return fmt.Errorf("--ovsdb-hosts: %s dials in over plain tcp and is known by its address only: add --ovsdb-identity %s=addr:192.0.2.13", h.name, h.name)
		}
	}
	if listen != nil && passive == 0 {
		return errors.New("--ovsdb-listen: no database of --ovsdb-hosts dials in: name one, as in tor3:passive")
	}
	for _, name := range slices.Sorted(maps.Keys(ids)) {
		h, ok := known[name]
		if !ok {
			return fmt.Errorf("--ovsdb-identity: there is no database %s in --ovsdb-hosts", name)
		}
		for _, id := range ids[name] {
			switch {
			case id.kind != byAddress && h.endpoint != "" && !strings.HasPrefix(h.endpoint, "ssl:"):
				return fmt.Errorf("--ovsdb-identity %s=%s: there are no certificates on %s; use ssl", name, id, h.endpoint)
			case id.kind != byAddress && h.endpoint == "" && !listen.TLS:
				return fmt.Errorf("--ovsdb-identity %s=%s: switches that dial in over plain tcp have no certificates; use pssl or %s=addr:ADDRESS", name, id, name)
			case id.kind == byAddress && (h.endpoint != "" || listen.TLS):
				return fmt.Errorf("--ovsdb-identity %s=%s: an address is for switches that dial in over plain tcp (ptcp); with TLS give sha256, cn or san", name, id)
			}
		}
	}
	return nil
}

// known are the ways in which a database's switch is known by its certificate:
// by the database's name if nothing was configured.
func (ids identities) known(database string) []identity {
	if of := ids[database]; len(of) > 0 {
		return of
	}
	return []identity{{byCN, database}, {bySAN, database}}
}

// identify tells which of the databases that dial in a peer is. The error says
// who the peer is, why it is refused and what would let it in.
func (ids identities) identify(p ovsdb.Peer, databases []string) (string, error) {
	if p.TLS == nil {
		return ids.identifyAddress(p.Addr, databases)
	}
	cert := p.TLS.PeerCertificates[0]
	var fits []string
	for _, name := range databases {
		if slices.ContainsFunc(ids.known(name), func(id identity) bool { return id.fits(cert) }) {
			fits = append(fits, name)
		}
	}
	switch len(fits) {
	case 1:
		return fits[0], nil
	case 0:
		for _, name := range databases {
			if (identity{byCN, name}).fits(cert) || (identity{bySAN, name}).fits(cert) {
				return "", fmt.Errorf("its certificate (%s) has the name of database %s, but that is known by %s; if this switch is %s now, set --ovsdb-identity %s=sha256:%s",
					pki.Describe(cert), name, join(ids.known(name)), name, name, pki.Fingerprint(cert))
			}
		}
		return "", fmt.Errorf("no database is known by its certificate (%s); to let it in as database NAME, set --ovsdb-identity NAME=sha256:%s",
			pki.Describe(cert), pki.Fingerprint(cert))
	}
	return "", fmt.Errorf("its certificate (%s) fits several databases (%s); give each an --ovsdb-identity that fits one switch, such as NAME=sha256:%s",
		pki.Describe(cert), strings.Join(fits, ", "), pki.Fingerprint(cert))
}

func (ids identities) identifyAddress(from net.Addr, databases []string) (string, error) {
	ip := host(from)
	for _, name := range databases {
		if slices.Contains(ids[name], identity{byAddress, ip}) {
			return name, nil
		}
	}
	return "", fmt.Errorf("no database is known by its address; to let it in as database NAME, set --ovsdb-identity NAME=addr:%s", ip)
}

// expect demands that a switch that we dialled is the one that was meant; any
// certificate of the authority will do if nothing was configured.
func (ids identities) expect(database string, cert *x509.Certificate) error {
	if len(ids[database]) == 0 || slices.ContainsFunc(ids[database], func(id identity) bool { return id.fits(cert) }) {
		return nil
	}
	return fmt.Errorf("this is another switch: its certificate is %s, but database %s is known by %s; if it is the right one, set --ovsdb-identity %s=sha256:%s",
		pki.Describe(cert), database, join(ids[database]), database, pki.Fingerprint(cert))
}

// fits says whether a certificate is one that the identity means.
func (i identity) fits(cert *x509.Certificate) bool {
	switch i.kind {
	case bySHA256:
		return pki.Fingerprint(cert) == i.value
	case byCN:
		return pki.HasCommonName(cert, i.value)
	case bySAN:
		return pki.HasAlternativeName(cert, i.value)
	}
	return false
}

func join(ids []identity) string {
	texts := make([]string, len(ids))
	for i, id := range ids {
		texts[i] = id.String()
	}
	return strings.Join(texts, " or ")
}

// host is an address without its port, and IPv4 as such.
func host(a net.Addr) string {
	ap, err := netip.ParseAddrPort(a.String())
	if err != nil {
		return a.String()
	}
	return ap.Addr().Unmap().WithZone("").String()
}
