package main

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"strconv"
	"time"

	"github.com/spf13/pflag"

	"l2gw/ovsdb"
)

// legacy are the options of networking-l2gw's agent that have no other form
// here; they come from its l2gateway_agent.ini.
type legacy struct {
	keys, certificates, authorities string // folders with NAME.key, NAME.cert, NAME.ca_cert

	manager        bool // switches dial in
	port           int
	socketTimeout  int // seconds
	periodic       int // seconds
	maxConnections int
}

// managerPort is networking-l2gw's default of manager_table_listening_port.
const managerPort = 6632

func (l *legacy) addFlags(f *pflag.FlagSet) {
	f.StringVar(&l.keys, "l2-gw-agent-priv-key-base-path", "", "folder with NAME.key for each database")
	f.StringVar(&l.certificates, "l2-gw-agent-cert-base-path", "", "folder with NAME.cert for each database")
	f.StringVar(&l.authorities, "l2-gw-agent-ca-cert-base-path", "", "folder with NAME.ca_cert for each database")
	f.BoolVar(&l.manager, "enable-manager", false, "switches dial in, known by the addresses in --ovsdb-hosts")
	f.IntVar(&l.port, "manager-table-listening-port", managerPort, "where they dial in")
	f.IntVar(&l.socketTimeout, "socket-timeout", 0, "how many seconds a switch may take to answer a connection")
	f.IntVar(&l.periodic, "periodic-interval", 0, "seconds between two looks at everything without any cause")
	f.IntVar(&l.maxConnections, "max-connection-retries", 0, "not used: a switch is tried for ever")
	for _, name := range append([]string{"enable-manager", "manager-table-listening-port", "socket-timeout", "periodic-interval", "max-connection-retries"}, folders...) {
		f.Lookup(name).Hidden = true
	}
}

// ssl says whether switches are spoken to with TLS unless they say otherwise:
// each database has files of its own then.
func (l *legacy) ssl() bool { return l.keys != "" && l.certificates != "" && l.authorities != "" }

// folders are the options about folders of files.
var folders = []string{"l2-gw-agent-priv-key-base-path", "l2-gw-agent-cert-base-path", "l2-gw-agent-ca-cert-base-path"}

// change makes of a plan what these options want. The error names all that is wrong with them.
func (l *legacy) change(p *switchPlan) error {
	var errs []error
	if !l.ssl() && l.keys+l.certificates+l.authorities != "" {
		errs = append(errs, about(errors.New("[ovsdb] l2_gw_agent_priv_key_base_path, l2_gw_agent_cert_base_path and l2_gw_agent_ca_cert_base_path belong together: set all three, or none"), folders...))
	}
	seconds := func(option, name string, v int) time.Duration {
		if v < 0 {
			errs = append(errs, about(fmt.Errorf("[ovsdb] %s = %d: it must be 0 or more seconds", name, v), option))
		}
		return time.Duration(v) * time.Second
	}
	p.dial = seconds("socket-timeout", "socket_timeout", l.socketTimeout)
	p.audit = seconds("periodic-interval", "periodic_interval", l.periodic)
	if l.ssl() {
		for i, h := range p.hosts {
			p.hosts[i].files = ovsdb.TLSFiles{
				Key:         filepath.Join(l.keys, h.name+".key"),
				Certificate: filepath.Join(l.certificates, h.name+".cert"),
				CA:          filepath.Join(l.authorities, h.name+".ca_cert"),
			}
		}
	}
	if l.manager {
		errs = append(errs, l.wait(p))
	}
	return errors.Join(errs...)
}

// wait has all switches of a plan dial in, known by the addresses that they have in it.
func (l *legacy) wait(p *switchPlan) error {
	var errs []error
	if p.listen != "" || len(p.ids) > 0 {
		errs = append(errs, about(errors.New("[ovsdb] enable_manager: --ovsdb-listen and --ovsdb-identity say the same in another way; use the one or the others"), "enable-manager", "ovsdb-listen", "ovsdb-identity"))
	}
	if l.port < 1 || l.port > 65535 {
		errs = append(errs, about(fmt.Errorf("[ovsdb] manager_table_listening_port = %d: it must be a port, such as %d", l.port, managerPort), "manager-table-listening-port"))
	}
	p.manager, p.listen = true, "ptcp:"+strconv.Itoa(l.port)
	if l.ssl() {
		p.listen = "pssl:" + strconv.Itoa(l.port)
	}
	owner := map[string]string{}
	for i, h := range p.hosts {
		p.hosts[i].endpoint = ""
		address := ""
		if e, err := ovsdb.ParseEndpoint(h.endpoint); err == nil && e.Network == "tcp" {
			address, _, _ = net.SplitHostPort(e.Address)
		}
		ip, err := netip.ParseAddr(address)
		if err != nil {
			errs = append(errs, about(fmt.Errorf("[ovsdb] enable_manager: a switch that dials in is known by its address, and ovsdb_hosts has none of database %s: it must look like %s:192.0.2.1:6632", h.name, h.name), "enable-manager", "ovsdb-hosts"))
			continue
		}
		address = ip.Unmap().String()
		if other := owner[address]; other != "" {
			errs = append(errs, about(fmt.Errorf("[ovsdb] enable_manager: databases %s and %s have the same address %s in ovsdb_hosts; a switch that dials in is known by it", other, h.name, address), "enable-manager", "ovsdb-hosts"))
		}
		owner[address] = h.name
		p.ids[h.name] = []identity{{byAddress, address}}
	}
	return errors.Join(errs...)
}
