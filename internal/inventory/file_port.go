package inventory

import (
	"cmp"
	"slices"

	"go.yaml.in/yaml/v3"

	"l2gw"
)

// portKeys are the keys of a port: the first three it needs, the rest it may have.
var portKeys = [...]string{"network", "host", "mac", "ips", "id", "name", "description", "project_id", "status", "device_id", "device_owner"}

func (p *parser) port(n *yaml.Node) {
	var f [len(portKeys)]*yaml.Node
	if !p.mapping(n, "a port", f[:], portKeys[:]...) || !p.need(n, "a port", f[:], portKeys[:3]...) {
		return
	}
	h := fileHost{line: n.Line}
	net, okNet := lookup(p, f[0], "network", p.networks, "networks, by name or id")
	host, okHost := lookup(p, f[1], "host", p.hosts, "hosts, by name")
	mac, okMAC := p.mac(f[2])
	h.IPs = p.ips(f[3])
	h.details = p.details(f[4:])
	if !okNet || !okHost || !okMAC {
		return
	}
	h.MAC, h.VTEP, h.on = mac, host.vtep, f[1].Value
	net.vteps[h.VTEP] = struct{}{}
	i, again := net.index[mac]
	if !again {
		p.ownID(n, h.details)
		net.index[mac] = len(net.hosts)
		net.hosts = append(net.hosts, h)
		return
	}
	switch was := net.hosts[i]; {
	case was.on == h.on:
		p.bad(n.Line, "mac %s stands in line %d already, on the same host: it must be there once", mac, was.line)
	case was.migrates:
		p.bad(n.Line, "mac %s is on a third host, %q: it may be on two while it migrates", mac, h.on)
	default:
		h.migrates = true
		h.details = p.migrated(n, was, h.details)
		net.hosts[i] = h
	}
}

// details are what clients see of a port; nil if the file says nothing of it.
// values are those of portKeys from "id" on.
func (p *parser) details(values []*yaml.Node) *l2gw.PortDetails {
	if !slices.ContainsFunc(values, func(v *yaml.Node) bool { return v != nil }) {
		return nil
	}
	d := &l2gw.PortDetails{
		Description: p.description(values[2]),
		ProjectID:   p.optional(values[3], "project_id"),
		DeviceID:    p.optional(values[5], "device_id"),
		DeviceOwner: p.optional(values[6], "device_owner"),
	}
	if id := values[0]; id != nil {
		d.ID, _ = p.uuid(id, "the port's id", "network and mac")
	}
	if name := values[1]; name != nil {
		d.Name, _ = p.name(name, "the port's name")
	}
	if status := values[4]; status != nil {
		s, _ := p.oneOf(status, "status", "ACTIVE", "DOWN", "BUILD", "ERROR")
		d.Status = l2gw.Status(s)
	}
	return d
}

// ownID takes in that the port in line n has this id, if it has one.
func (p *parser) ownID(n *yaml.Node, d *l2gw.PortDetails) {
	if d == nil || d.ID == "" {
		return
	}
	if other, dup := p.portIDs[d.ID]; dup {
		p.bad(n.Line, "the port's id %q is that of the port in line %d already: it must be its own", d.ID, other)
		return
	}
	p.portIDs[d.ID] = n.Line
}

// migrated are the details of a port that stands on two hosts and is one all the
// same: those in the later line, and for the rest those in the earlier one.
func (p *parser) migrated(n *yaml.Node, was fileHost, d *l2gw.PortDetails) *l2gw.PortDetails {
	switch {
	case d == nil:
		return was.details
	case was.details == nil:
		p.ownID(n, d)
		return d
	case d.ID != "" && was.details.ID == "":
		p.ownID(n, d)
	case d.ID != "" && d.ID != was.details.ID:
		p.bad(n.Line, "the port's id %q is another than that in line %d: while mac %s migrates, both lines are of one port", d.ID, was.line, was.MAC)
	}
	d.ID = cmp.Or(d.ID, was.details.ID)
	d.Name = cmp.Or(d.Name, was.details.Name)
	d.Description = cmp.Or(d.Description, was.details.Description)
	d.ProjectID = cmp.Or(d.ProjectID, was.details.ProjectID)
	d.Status = cmp.Or(d.Status, was.details.Status)
	d.DeviceID = cmp.Or(d.DeviceID, was.details.DeviceID)
	d.DeviceOwner = cmp.Or(d.DeviceOwner, was.details.DeviceOwner)
	return d
}
