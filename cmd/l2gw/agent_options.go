package main

import (
	"errors"

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

// readAgentOptions makes the options of a command line, which it does not change, and of
// what the environment and the ini files say now. The error names all that is wrong with
// them; what can be made out is returned with it, nil if not even the files can be read.
func readAgentOptions(given *pflag.FlagSet) (*agentOptions, error) {
	o := &agentOptions{}
	flags := pflag.NewFlagSet("agent", pflag.ContinueOnError)
	o.addFlags(flags)
	if err := repeat(given, flags); err != nil {
		return nil, err
	}
	err := o.common.fill(flags, agentKeys)
	if _, none := errors.AsType[unread](err); none {
		return nil, err
	}
	if o.host == "" {
		o.host = hostName("agent")
	}
	return o, errors.Join(err, o.common.settings.locate(o.check()))
}
