package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/pflag"

	"l2gw/ovsdb"
)

// agentOptions are those of `l2gw agent`, wherever they come from.
type agentOptions struct {
	common   commonOptions
	servers  string
	files    ovsdb.TLSFiles // for the servers
	token    string         // file
	stateDir string
	host     string
	switches switches

	holdShare   float64
	holdMinimum int
	audit       string // file
	metrics     string // HOST:PORT

	// What they come to, set by read.
	plan      *switchPlan
	addresses []string // of the servers
}

// agentKeys are the options that ini files have: the sections [DEFAULT] and
// [ovsdb] as networking-l2gw's agent reads them, [l2gw] for what it has not.
var agentKeys = map[string]key{
	"host":               {"DEFAULT", "host"},
	"servers":            {"l2gw", "servers"},
	"fabric-private-key": {"l2gw", "private_key"},
	"fabric-certificate": {"l2gw", "certificate"},
	"fabric-ca-cert":     {"l2gw", "ca_cert"},
	"token-file":         {"l2gw", "token_file"},
	"state-dir":          {"l2gw", "state_path"},
	"hold-share":         {"l2gw", "hold_share"},
	"hold-minimum":       {"l2gw", "hold_minimum"},
	"pace":               {"l2gw", "pace"},
	"service-node":       {"l2gw", "service_nodes"},
	"max-macs":           {"l2gw", "max_macs"},
	"audit":              {"l2gw", "audit_file"},
	"metrics-listen":     {"l2gw", "metrics_listen"},

	"ovsdb-hosts":    {"ovsdb", "ovsdb_hosts"},
	"ovsdb-listen":   {"ovsdb", "ovsdb_listen"},
	"ovsdb-identity": {"ovsdb", "ovsdb_identity"},
	"private-key":    {"ovsdb", "private_key"},
	"certificate":    {"ovsdb", "certificate"},
	"ca-cert":        {"ovsdb", "ca_cert"},

	"l2-gw-agent-priv-key-base-path": {"ovsdb", "l2_gw_agent_priv_key_base_path"},
	"l2-gw-agent-cert-base-path":     {"ovsdb", "l2_gw_agent_cert_base_path"},
	"l2-gw-agent-ca-cert-base-path":  {"ovsdb", "l2_gw_agent_ca_cert_base_path"},
	"enable-manager":                 {"ovsdb", "enable_manager"},
	"manager-table-listening-port":   {"ovsdb", "manager_table_listening_port"},
	"socket-timeout":                 {"ovsdb", "socket_timeout"},
	"periodic-interval":              {"ovsdb", "periodic_interval"},
	"max-connection-retries":         {"ovsdb", "max_connection_retries"},
}

func (o *agentOptions) addFlags(f *pflag.FlagSet) {
	o.common.addFlags(f)
	f.StringVar(&o.servers, "servers", "", "the servers, HOST:PORT[,…]; with TLS if --fabric-ca-cert is given")
	addFabricTLSFlags(f, &o.files, "servers'")
	f.StringVar(&o.token, "token-file", "", "file with the token that the servers know this agent by, in place of a certificate")
	f.StringVar(&o.stateDir, "state-dir", "/var/lib/l2gw/agent", "folder for what the agent must remember; made if it is missing")
	f.StringVar(&o.host, "host", "", "this agent's name (default the host's)")
	o.switches.addFlags(f)
	o.switches.legacy.addFlags(f)
	f.IntVar(&o.switches.pace, "pace", 0, "operations that are written to a switch database per second; 0: as many as it takes")
	f.Float64Var(&o.holdShare, "hold-share", 0.3, "removals that nobody asked for are held if they are more than this share of the rows")
	f.IntVar(&o.holdMinimum, "hold-minimum", 10, "… and more rows than this")
	f.StringVar(&o.audit, "audit", "", "file for a record of each transaction, in lines of JSON")
	f.StringVar(&o.metrics, "metrics-listen", "", "address of /metrics, /healthz and /readyz, HOST:PORT (default: none)")
}

// read makes the options of a command line, which it does not change, and of
// what the environment and the ini files say now.
func readAgentOptions(given *pflag.FlagSet) (*agentOptions, error) {
	o := &agentOptions{}
	flags := pflag.NewFlagSet("agent", pflag.ContinueOnError)
	o.addFlags(flags)
	if err := repeat(given, flags); err != nil {
		return nil, err
	}
	if err := o.common.fill(flags, agentKeys); err != nil {
		return nil, err
	}
	if o.host == "" {
		o.host = hostName("agent")
	}
	return o, o.check()
}

func (o *agentOptions) check() (err error) {
	if o.plan, err = o.switches.plan(); err != nil {
		return err
	}
	for address := range strings.SplitSeq(o.servers, ",") {
		if address = bare(address); address == "" {
			continue
		}
		name, port, err := net.SplitHostPort(address)
		if n, bad := strconv.Atoi(port); err != nil || bad != nil || n < 1 || n > 65535 || name == "" {
			return fmt.Errorf("--servers: %q: it must look like server-1:9698", address)
		}
		if slices.Contains(o.addresses, address) {
			return fmt.Errorf("--servers: %s is there twice", address)
		}
		o.addresses = append(o.addresses, address)
	}
	if len(o.addresses) == 0 {
		return errors.New("--servers is missing ([l2gw] servers): it must look like server-1:9698,server-2:9698")
	}
	if o.stateDir == "" {
		return errors.New("--state-dir is missing ([l2gw] state_path)")
	}
	switch f := o.files; {
	case f.CA == "" && (f.Key != "" || f.Certificate != "" || o.token != ""):
		return errors.New("--fabric-ca-cert is missing ([l2gw] ca_cert): without it, the servers are spoken to in the clear")
	case (f.Key == "") != (f.Certificate == ""):
		return errors.New("--fabric-private-key and --fabric-certificate belong together: give both, or none and a --token-file")
	case f.CA != "" && f.Certificate == "" && o.token == "":
		return errors.New("the servers know an agent by its certificate (--fabric-private-key, --fabric-certificate) or by a token (--token-file): give one of them")
	}
	if o.files.CA == "" {
		for _, address := range o.addresses {
			if local, err := loopback("--servers", address); err != nil || !local {
				return fmt.Errorf("--servers: %s is spoken to in the clear, which is for loopback addresses only; give --fabric-ca-cert, and a certificate or a token", address)
			}
		}
	}
	if o.metrics != "" {
		if _, err := loopback("--metrics-listen", o.metrics); err != nil {
			return err
		}
	}
	switch {
	case o.holdShare <= 0 || o.holdShare > 1:
		return fmt.Errorf("--hold-share %v: it must be more than 0 and at most 1 (nothing is held)", o.holdShare)
	case o.holdMinimum < 0:
		return fmt.Errorf("--hold-minimum %d: it must be 0 or more", o.holdMinimum)
	case o.switches.pace < 0:
		return fmt.Errorf("--pace %d: it must be 0 (no limit) or more operations per second", o.switches.pace)
	}
	return nil
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
	if len(o.plan.hosts) == 0 {
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
	for name, v := range map[string]string{"audit": o.audit, "metrics": o.metrics, "log file": o.common.logFile} {
		if v != "" {
			line(name, v)
		}
	}
	for _, u := range o.common.unknown {
		line("unknown", u)
	}
}

// usable looks at the files that are named, which a start would need.
func (o *agentOptions) usable() error {
	var errs []error
	if o.files.CA != "" {
		if _, err := o.files.Client(); err != nil {
			errs = append(errs, fmt.Errorf("--fabric-private-key, --fabric-certificate and --fabric-ca-cert: %w", err))
		}
	}
	if o.token != "" {
		_, err := readToken(o.token)
		errs = append(errs, err)
	}
	for _, h := range o.plan.hosts {
		if strings.HasPrefix(h.endpoint, "ssl:") || h.endpoint == "" && strings.HasPrefix(o.plan.listen, "pssl:") {
			if _, err := h.files.Client(); err != nil {
				errs = append(errs, fmt.Errorf("--ovsdb-hosts: %s: %w", h.name, err))
			}
		}
	}
	for option, path := range map[string]string{"--audit": o.audit, "--log-file": o.common.logPath()} {
		if path != "" {
			if _, err := os.Stat(filepath.Dir(path)); err != nil {
				errs = append(errs, fmt.Errorf("%s: %w", option, err))
			}
		}
	}
	return errors.Join(errs...)
}
