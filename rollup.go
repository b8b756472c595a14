package l2gw

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// gravity lists the statuses, worst first.
var gravity = []Status{StatusError, StatusDown, StatusDegraded, StatusPending, StatusBuild, StatusActive}

// Worse reports whether s is graver than o.
func (s Status) Worse(o Status) bool { return slices.Index(gravity, s) < slices.Index(gravity, o) }

// works reports whether packets pass, perhaps not all of them.
func (s Status) works() bool { return s == StatusActive || s == StatusDegraded }

// ConnectionStatus is the status of one connection and its reason (or "").
type ConnectionStatus struct {
	ConnectionID string
	Status       Status
	Reason       string
}

// maxReasons is how many different reasons a rollup repeats; the rest is counted.
const maxReasons = 3

// Rollup returns the status of a connection whose bindings have these, and its reason:
//
//   - all the same: that one;
//   - some work and the others are only not yet confirmed: BUILD;
//   - some work and others do not: DEGRADED, with a count;
//   - none works: the worst of them, with a count.
//
// A connection without bindings is BUILD: nothing of it is confirmed.
func Rollup(bindings []BindingStatus) (Status, string) {
	if len(bindings) == 0 {
		return StatusBuild, ""
	}
	status := StatusActive
	count := map[Status]int{}
	for _, b := range bindings {
		count[b.Status]++
		if b.Status.Worse(status) {
			status = b.Status
		}
	}
	reasons := bindingReasons(bindings)
	if len(count) == 1 {
		return status, reasons
	}
	if status != StatusBuild && slices.ContainsFunc(bindings, func(b BindingStatus) bool { return b.Status.works() }) {
		status = StatusDegraded
	}
	total := fmt.Sprintf("%d of %d bindings are ACTIVE", count[StatusActive], len(bindings))
	if reasons != "" {
		total += "; " + reasons
	}
	return status, total
}

// bindingReasons says why bindings are not ACTIVE, worst first, with the place
// of the first of those that share a reason.
func bindingReasons(bindings []BindingStatus) string {
	sorted := slices.Clone(bindings)
	slices.SortStableFunc(sorted, func(a, b BindingStatus) int {
		return slices.Index(gravity, a.Status) - slices.Index(gravity, b.Status)
	})
	type cause struct {
		first  BindingKey
		status Status
		reason string
		others int
	}
	var causes []*cause
	index := map[[2]string]*cause{}
	for _, b := range sorted {
		if b.Reason == "" && (b.Status == StatusActive || b.Status == StatusBuild) {
			continue
		}
		k := [2]string{string(b.Status), b.Reason}
		if c := index[k]; c != nil {
			c.others++
			continue
		}
		index[k] = &cause{first: b.BindingKey, status: b.Status, reason: b.Reason}
		causes = append(causes, index[k])
	}
	parts := make([]string, 0, maxReasons+1)
	for i, c := range causes {
		if i == maxReasons {
			parts = append(parts, fmt.Sprintf("and %d more reasons", len(causes)-i))
			break
		}
		place := c.first.String()
		if c.others > 0 {
			place += fmt.Sprintf(" and %d more", c.others)
		}
		parts = append(parts, place+": "+cmp.Or(c.reason, string(c.status)))
	}
	return strings.Join(parts, "; ")
}

// RollupGateway returns the status of a gateway, the worst of its connections,
// and the reason: those of the worst connections. Without connections it is ACTIVE.
func RollupGateway(connections []ConnectionStatus) (Status, string) {
	status := StatusActive
	for _, c := range connections {
		if c.Status.Worse(status) {
			status = c.Status
		}
	}
	var parts []string
	worst := 0
	for _, c := range connections {
		if c.Status != status || status == StatusActive && c.Reason == "" {
			continue
		}
		if worst++; worst <= maxReasons {
			parts = append(parts, "connection "+c.ConnectionID+": "+cmp.Or(c.Reason, string(c.Status)))
		}
	}
	if worst > maxReasons {
		parts = append(parts, fmt.Sprintf("and %d more connections", worst-maxReasons))
	}
	return status, strings.Join(parts, "; ")
}
