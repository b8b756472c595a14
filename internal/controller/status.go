package controller

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"l2gw"
)

// Binding returns the status of one binding and why it is so. mu must be held.
func (s *state) bindingStatus(b l2gw.Binding) (l2gw.Status, string) {
	k := b.BindingKey
	if in := s.reporting[k.Device]; len(in) > 1 {
		return l2gw.StatusError, fmt.Sprintf("device %s is in several databases (%s): rename one of the switches", k.Device, strings.Join(in, ", "))
	}
	if s.gone(b.NetworkID) {
		return l2gw.StatusError, s.whyGone(b.NetworkID) + s.heldNote(b.NetworkID)
	}
	home := s.home(k)
	if len(home) == 0 {
		return l2gw.StatusPending, fmt.Sprintf("no switch named %s has been seen%s", k.Device, s.unseen())
	}
	d := s.databases[home[0]]
	distrust, why := d.distrustOf(k.Device)
	if distrust == l2gw.StatusError {
		return distrust, why
	}
	result, applied := d.bindingResults[k]
	switch {
	case !applied || result.Revision < b.Revision:
		if !d.observed.Connected {
			return l2gw.StatusPending, "not yet applied: " + d.away()
		}
		if n := s.networks[b.NetworkID]; n == nil || n.base == nil {
			return l2gw.StatusBuild, "the inventory has not told of network " + b.NetworkID + s.because()
		}
		if d.awaits(b) {
			return l2gw.StatusBuild, "the SQL database has yet to record it"
		}
		reason := "the switch has not confirmed it yet"
		if d.observed.Error != "" {
			reason += ": " + d.observed.Error
		}
		return l2gw.StatusBuild, reason
	}
	status, reason := result.Status, result.Reason
	if n, ok := d.networkResults[b.NetworkID]; ok && n.Status.Worse(status) {
		status, reason = n.Status, n.Reason
	}
	if n := s.networks[b.NetworkID]; n != nil {
		if trouble := n.trouble(); trouble != "" && l2gw.StatusDegraded.Worse(status) {
			status, reason = l2gw.StatusDegraded, trouble
		}
	}
	if distrust.Worse(status) {
		status, reason = distrust, why
	}
	if !d.observed.Connected {
		reason = strings.TrimPrefix(reason+"; "+d.away(), "; ")
	}
	return status, reason
}

// away says since when a database cannot be reached, and why.
func (d *database) away() string {
	since := "was never connected"
	if !d.seen.IsZero() {
		since = "is stale since " + d.seen.UTC().Format(time.RFC3339)
	}
	why := d.observed.Error
	if d.source == nil {
		why = "no agent serves it"
	}
	if why != "" {
		why = ": " + why
	}
	return "database " + d.name + " " + since + why
}

// whyGone says why a network that is bound has no segment.
func (s *state) whyGone(id string) string {
	if s.directory != nil {
		if i, ok := s.directory.FindNetwork(id); ok {
			return s.directory.Network(i).Connectable().Error()
		}
	}
	return "network " + id + " is not in the inventory"
}

// maxUnseen is how many databases a reason names.
const maxUnseen = 5

// unseen names databases that cannot be reached, where an unseen device may be.
func (s *state) unseen() string {
	var first []string // by name
	away := 0
	for name, d := range s.databases {
		if d.observed.Connected {
			continue
		}
		away++
		if i, _ := slices.BinarySearch(first, name); i < maxUnseen {
			first = slices.Insert(first, i, name)
			first = first[:min(len(first), maxUnseen)]
		}
	}
	if away == 0 {
		return ""
	}
	all := "; not connected: " + strings.Join(first, ", ")
	if away > len(first) {
		all += fmt.Sprintf(" and %d more", away-len(first))
	}
	return all
}

func (s *state) because() string {
	if s.inventoryError != nil {
		return ": " + s.inventoryError.Error()
	}
	return ""
}

// Connection returns the status of a connection, why it is so, and that of each
// of its bindings in the order of device, interface and VLAN; none for a
// connection that has not been seen yet.
func (c *Controller) Connection(id string) (l2gw.Status, string, []l2gw.BindingStatus) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.state.connectionStatus(id)
}

// Gateway returns the status of a gateway, and why it is so.
func (c *Controller) Gateway(id string) (l2gw.Status, string) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	connections := map[string]bool{}
	for k := range c.state.ofGateway[id] {
		connections[c.state.bindings[k].ConnectionID] = true
	}
	var all []l2gw.ConnectionStatus
	for _, conn := range slices.Sorted(maps.Keys(connections)) {
		status, reason, _ := c.state.connectionStatus(conn)
		all = append(all, l2gw.ConnectionStatus{ConnectionID: conn, Status: status, Reason: reason})
	}
	return l2gw.RollupGateway(all)
}

func (s *state) connectionStatus(id string) (l2gw.Status, string, []l2gw.BindingStatus) {
	var all []l2gw.BindingStatus
	for k := range s.ofConnection[id] {
		b := s.bindings[k]
		status, reason := s.bindingStatus(b)
		all = append(all, l2gw.BindingStatus{Binding: b, Status: status, Reason: reason})
	}
	if len(all) == 0 {
		return l2gw.StatusBuild, "the controller has not seen it yet", nil
	}
	slices.SortFunc(all, func(a, b l2gw.BindingStatus) int { return compareKeys(a.BindingKey, b.BindingKey) })
	status, reason := l2gw.Rollup(all)
	return status, reason, all
}

func compareKeys(a, b l2gw.BindingKey) int {
	return cmp.Or(cmp.Compare(a.Device, b.Device), cmp.Compare(a.Interface, b.Interface), cmp.Compare(a.VLAN, b.VLAN))
}

// Databases returns what is known of each database, by name. One that no agent
// serves is among them as long as rows of ours may be on it.
func (c *Controller) Databases() []l2gw.DatabaseState {
	c.mu.RLock()
	defer c.mu.RUnlock()
	all := make([]l2gw.DatabaseState, 0, len(c.state.databases))
	for _, d := range c.state.databases {
		seen := d.withDistrust()
		if d.source == nil {
			seen.Connected, seen.InSync, seen.Writer, seen.Error = false, false, false, "no agent serves it"
		} else {
			seen.Agent = d.source.agent
		}
		all = append(all, seen)
	}
	slices.SortFunc(all, func(a, b l2gw.DatabaseState) int { return cmp.Compare(a.Name, b.Name) })
	return all
}
