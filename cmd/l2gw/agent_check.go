package main

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"slices"
	"strconv"
	"strings"

	"l2gw/internal/pki"
	"l2gw/ovsdb"
)

// check reads what options come to, and says all that is wrong with them.
func (o *agentOptions) check() error {
	var planErr, addressErr error
	o.plan, planErr = o.switches.plan()
	o.addresses, addressErr = parseServers(o.servers)
	errs := []error{planErr, about(addressErr, "servers")}
	wrong := func(options []string, format string, args ...any) {
		errs = append(errs, about(fmt.Errorf(format, args...), options...))
	}
	if len(o.addresses) == 0 && addressErr == nil && !o.common.settings.failed["servers"] {
		wrong([]string{"servers"}, "--servers is missing ([l2gw] servers): it must look like server-1:9698,server-2:9698")
	}
	if o.stateDir == "" {
		wrong([]string{"state-dir"}, "--state-dir is missing ([l2gw] state_path)")
	}
	errs = append(errs, o.checkTrust())
	if o.metrics != "" {
		_, err := loopback("--metrics-listen", o.metrics)
		errs = append(errs, about(err, "metrics-listen"))
	}
	if o.holdShare <= 0 || o.holdShare > 1 {
		wrong([]string{"hold-share"}, "--hold-share %v: it must be more than 0 and at most 1 (nothing is held)", o.holdShare)
	}
	if o.holdMinimum < 0 {
		wrong([]string{"hold-minimum"}, "--hold-minimum %d: it must be 0 or more", o.holdMinimum)
	}
	if o.switches.pace < 0 {
		wrong([]string{"pace"}, "--pace %d: it must be 0 (no limit) or more operations per second", o.switches.pace)
	}
	return errors.Join(errs...)
}

// parseServers reads HOST:PORT[,…]. The error names each that is wrong; the others are
// returned with it.
func parseServers(text string) (addresses []string, err error) {
	var errs []error
	for address := range strings.SplitSeq(text, ",") {
		if address = bare(address); address == "" {
			continue
		}
		name, port, err := net.SplitHostPort(address)
		switch n, bad := strconv.Atoi(port); {
		case err != nil || bad != nil || n < 1 || n > 65535 || name == "":
			errs = append(errs, fmt.Errorf("--servers: %q: it must look like server-1:9698", address))
		case slices.Contains(addresses, address):
			errs = append(errs, fmt.Errorf("--servers: %s is there twice", address))
		default:
			addresses = append(addresses, address)
		}
	}
	return addresses, errors.Join(errs...)
}

// checkTrust says why agent and servers could not know one another.
func (o *agentOptions) checkTrust() error {
	options := []string{"fabric-private-key", "fabric-certificate", "fabric-ca-cert", "token-file"}
	var errs []error
	wrong := func(text string) { errs = append(errs, about(errors.New(text), options...)) }
	f := o.files
	if (f.Key == "") != (f.Certificate == "") {
		wrong("--fabric-private-key and --fabric-certificate belong together: give both, or none and a --token-file")
	}
	switch {
	case f.CA == "" && (f.Key != "" || f.Certificate != "" || o.token != ""):
		wrong("--fabric-ca-cert is missing ([l2gw] ca_cert): without it, the servers are spoken to in the clear")
	case f.CA == "":
		for _, address := range o.addresses {
			if local, err := loopback("--servers", address); err != nil || !local {
				errs = append(errs, about(fmt.Errorf("--servers: %s is spoken to in the clear, which is for loopback addresses only; give --fabric-ca-cert, and a certificate or a token", address), "servers"))
			}
		}
	case f.Key == "" && f.Certificate == "" && o.token == "":
		wrong("the servers know an agent by its certificate (--fabric-private-key, --fabric-certificate) or by a token (--token-file): give one of them")
	}
	return errors.Join(errs...)
}

// show prints what would be used; names of files only, no keys and no tokens.
func (o *agentOptions) show(out io.Writer) {
	line := func(name string, v any) { fmt.Fprintf(out, "%-16s %v\n", name, v) }
	line("host", o.host)
	for _, a := range o.addresses {
		how := "in the clear"
		if o.files.CA != "" {
			how = "TLS, authority " + o.files.CA
		}
		line("server", a+", "+how)
	}
	switch {
	case o.files.Certificate != "":
		line("known by", "certificate "+o.files.Certificate)
	case o.token != "":
		line("known by", "the token in "+o.token)
	}
	line("state", o.stateDir)
	for _, h := range o.plan.hosts {
		where := h.endpoint
		if where == "" {
			where = "dials in at " + o.plan.listen
		}
		if strings.HasPrefix(h.endpoint, "ssl:") || h.endpoint == "" && strings.HasPrefix(o.plan.listen, "pssl:") {
			where += ", certificate " + h.files.Certificate + ", authority " + h.files.CA
		}
		if ids := o.plan.ids[h.name]; len(ids) > 0 {
			where += ", known by " + join(ids)
		}
		line("database", h.name+": "+where)
	}
	if o.switches.hosts == "" {
		line("database", "none: --ovsdb-hosts is missing ([ovsdb] ovsdb_hosts)")
	}
	line("hold", fmt.Sprintf("removals of more than %g of the rows and more than %d", o.holdShare, o.holdMinimum))
	if o.switches.pace > 0 {
		line("pace", fmt.Sprintf("%d operations per second", o.switches.pace))
	}
	if o.plan.audit > 0 {
		line("looks at all", fmt.Sprintf("every %v", o.plan.audit))
	}
	if len(o.plan.options.ServiceNodes) > 0 {
		line("service nodes", o.plan.options.ServiceNodes)
	}
	if o.plan.options.MaxMACs > 0 {
		line("max. MACs", o.plan.options.MaxMACs)
	}
	for _, given := range [][2]string{{"audit", o.audit}, {"metrics", o.metrics}, {"log file", o.common.logFile}} {
		if given[1] != "" {
			line(given[0], given[1])
		}
	}
	for _, u := range o.common.unknown {
		line("unknown", u)
	}
}

// warn tells of what a start would warn of, as far as that can be told now.
func (o *agentOptions) warn(out io.Writer) {
	found := &warnings{}
	log := slog.New(found)
	o.plan.warn(log)
	certificates := newExpiry(log)
	certificates.watch(o.plan)
	certificates.own(tlsFiles("fabric-", o.files)...)
	certificates.files = slices.DeleteFunc(certificates.files, func(f pki.File) bool {
		_, err := f.Certificates()
		return err != nil // which usable says
	})
	certificates.lookAtFiles()
	for _, w := range found.all {
		fmt.Fprintf(out, "%-16s %v\n", "warning", w)
	}
}

// usable says all that a start would lack: files that cannot be used, and folders in which
// no file can be made. It makes nothing and asks nobody.
func (o *agentOptions) usable() error {
	var errs []error
	note := func(err error, options ...string) { errs = append(errs, about(err, options...)) }
	if o.files.CA != "" {
		if _, err := o.files.Client(); err != nil {
			note(fmt.Errorf("--fabric-private-key, --fabric-certificate and --fabric-ca-cert: %w", err), "fabric-private-key", "fabric-certificate", "fabric-ca-cert")
		}
	}
	if o.token != "" {
		_, err := readToken(o.token)
		note(err, "token-file")
	}
	note(o.plan.usable(), append([]string{"ovsdb-hosts", "ovsdb-listen", "private-key", "certificate", "ca-cert"}, folders...)...)
	note(usableStateDir(o.stateDir), "state-dir")
	note(writableFile("--audit", o.audit), "audit")
	note(o.common.checkLog(), "log-level", "log-file", "log-dir")
	return o.common.settings.locate(errors.Join(errs...))
}

// usable says which files for TLS to switches cannot be used. What several
// databases have in common is said of the first.
func (p *switchPlan) usable() error {
	var errs []error
	dialled, met := map[ovsdb.TLSFiles]bool{}, map[ovsdb.TLSFiles]bool{}
	for _, h := range p.hosts {
		switch {
		case strings.HasPrefix(h.endpoint, "ssl:") && !dialled[h.files]:
			dialled[h.files] = true
			if _, err := dialer(h.endpoint, h.files, nil); err != nil {
				errs = append(errs, fmt.Errorf("--ovsdb-hosts: %s: %w", h.name, err))
			}
		case h.endpoint == "" && strings.HasPrefix(p.listen, "pssl:") && !met[h.files]:
			met[h.files] = true
			if _, err := serverConfig(h.files); err != nil {
				errs = append(errs, fmt.Errorf("--ovsdb-hosts: %s dials in, for which pssl needs --private-key, --certificate and --ca-cert: %w", h.name, err))
			}
		}
	}
	return errors.Join(errs...)
}
