package agent

import (
	"context"
	"log/slog"
	"maps"
	"slices"
	"time"

	"l2gw"
	"l2gw/internal/fabric"
	"l2gw/internal/vtep"
)

// maxLines is how many bindings of one pass are logged one by one: a switch that
// is filled anew may have thousands.
const maxLines = 50

// logBindings tells of the bindings whose results are other than what was
// logged last, so that a connection can be followed into the switch.
func (d *database) logBindings(results []fabric.BindingResult) {
	var news []fabric.BindingResult
	for _, r := range results {
		if d.told.logged[r.Key] != r {
			d.told.logged[r.Key] = r
			news = append(news, r)
		}
	}
	slices.SortFunc(news, func(a, b fabric.BindingResult) int {
		return compareKeys(a.Key, b.Key)
	})
	if len(news) > maxLines {
		count := map[l2gw.Status]int{}
		for _, r := range news {
			count[r.Status]++
		}
		for _, status := range slices.Sorted(maps.Keys(count)) {
			d.log.Info("bindings have a new status", "database", d.name, "status", status, "bindings", count[status])
		}
	}
	for _, r := range news {
		level, text := slog.LevelInfo, "the switch holds a binding"
		switch r.Status {
		case l2gw.StatusActive:
		case l2gw.StatusBuild, l2gw.StatusPending:
			level, text = slog.LevelDebug, "the switch does not hold a binding yet"
		default:
			level, text = slog.LevelWarn, "a binding is not as it should be"
		}
		if len(news) > maxLines {
			level = slog.LevelDebug
		}
		b := d.replica.Bindings[r.Key]
		d.log.Log(context.Background(), level, text, "database", d.name, "connection_id", b.ConnectionID, "network_id", b.NetworkID,
			"device", r.Key.Device, "interface", r.Key.Interface, "vlan", r.Key.VLAN, "revision", r.Revision,
			"request_id", b.Request, "status", r.Status, "reason", r.Reason)
	}
}

// logNetwork tells of a network whose rows ceased to be as they should, or are so again.
func (d *database) logNetwork(r fabric.NetworkResult, old fabric.NetworkResult) {
	good := r.Status == l2gw.StatusActive || r.Status == l2gw.StatusBuild
	wasGood := old.Status == "" || old.Status == l2gw.StatusActive || old.Status == l2gw.StatusBuild
	if good && wasGood || r.Status == old.Status && r.Reason == old.Reason {
		return
	}
	level, text := slog.LevelInfo, "the rows of a network are as they should be again"
	if !good {
		level, text = slog.LevelWarn, "the rows of a network are not as they should be"
	}
	d.log.Log(context.Background(), level, text, "database", d.name, "network_id", r.NetworkID,
		"connection_ids", d.connections(d.replica.ByNetwork[r.NetworkID]), "status", r.Status, "reason", r.Reason)
}

// logAudit tells that the audit cannot be written, or can be again.
func (a *Agent) logAudit(err error) {
	if err != nil {
		a.log.Error("the audit cannot be written; what is missing will be counted there", "error", err)
		return
	}
	a.log.Info("the audit can be written again")
}

// logHeld tells of a removal that begins or ends to be held.
func (d *database) logHeld(what string, h l2gw.HeldRemoval) {
	d.log.Warn(what, "database", d.name, "network_id", h.NetworkID, "rows", h.Rows, "of", h.Total, "reason", h.Reason)
}

// logTransaction tells, to those who want to know everything, what was sent for whom.
func (d *database) logTransaction(ctx context.Context, txn vtep.Txn, err error, took time.Duration) {
	if !d.log.Enabled(ctx, slog.LevelDebug) {
		return
	}
	networks, requests := map[string]bool{}, map[string]bool{}
	var keys []l2gw.BindingKey
	for _, s := range txn.Subjects {
		if id := d.requestOf(s); id != "" {
			requests[id] = true
		}
		if s.Network != "" {
			networks[s.Network] = true
		}
		if s.Binding != (l2gw.BindingKey{}) && !slices.Contains(keys, s.Binding) {
			keys = append(keys, s.Binding)
		}
	}
	d.log.DebugContext(ctx, "transaction", "database", d.name, "operations", len(txn.Ops), "result", resultOf(err), "seconds", took.Seconds(),
		"network_ids", slices.Sorted(maps.Keys(networks)), "connection_ids", d.connections(keys),
		"request_ids", slices.Sorted(maps.Keys(requests)), "error", err)
}

// connections are the ids of the connections that want these bindings.
func (d *database) connections(keys []l2gw.BindingKey) []string {
	ids := map[string]bool{}
	for _, k := range keys {
		if b, ok := d.replica.Bindings[k]; ok {
			ids[b.ConnectionID] = true
		}
	}
	return slices.Sorted(maps.Keys(ids))
}
