package l2gw_test

import (
	"testing"

	"l2gw"
)

func TestAConnectionsStatusFollowsFromItsBindings(t *testing.T) {
	at := func(iface string, s l2gw.Status, reason string) l2gw.BindingStatus {
		return l2gw.BindingStatus{
			Binding: l2gw.Binding{BindingKey: l2gw.BindingKey{Device: "ps1", Interface: iface, VLAN: 100}},
			Status:  s, Reason: reason,
		}
	}
	for _, test := range []struct {
		name     string
		bindings []l2gw.BindingStatus
		status   l2gw.Status
		reason   string
	}{
		{"none yet", nil, l2gw.StatusBuild, ""},
		{"all confirmed", []l2gw.BindingStatus{at("eth1", l2gw.StatusActive, ""), at("eth2", l2gw.StatusActive, "")}, l2gw.StatusActive, ""},
		{"all wait", []l2gw.BindingStatus{at("eth1", l2gw.StatusBuild, ""), at("eth2", l2gw.StatusBuild, "")}, l2gw.StatusBuild, ""},
		{
			"some wait for confirmation",
			[]l2gw.BindingStatus{at("eth1", l2gw.StatusBuild, ""), at("eth2", l2gw.StatusActive, "")},
			l2gw.StatusBuild, "1 of 2 bindings are ACTIVE",
		},
		{"all fail alike", []l2gw.BindingStatus{at("eth1", l2gw.StatusError, "no such port"), at("eth2", l2gw.StatusError, "no such port")}, l2gw.StatusError, "ps1/eth1 VLAN 100 and 1 more: no such port"},
		{
			"part works",
			[]l2gw.BindingStatus{at("eth1", l2gw.StatusPending, "never connected"), at("eth2", l2gw.StatusActive, ""), at("eth3", l2gw.StatusError, "foreign")},
			l2gw.StatusDegraded, "1 of 3 bindings are ACTIVE; ps1/eth3 VLAN 100: foreign; ps1/eth1 VLAN 100: never connected",
		},
		{
			"works badly beside works",
			[]l2gw.BindingStatus{at("eth1", l2gw.StatusDegraded, "broadcast reaches one of 3"), at("eth2", l2gw.StatusActive, "")},
			l2gw.StatusDegraded, "1 of 2 bindings are ACTIVE; ps1/eth1 VLAN 100: broadcast reaches one of 3",
		},
		{
			"nothing works, differently",
			[]l2gw.BindingStatus{at("eth1", l2gw.StatusPending, ""), at("eth2", l2gw.StatusDown, "link down")},
			l2gw.StatusDown, "0 of 2 bindings are ACTIVE; ps1/eth2 VLAN 100: link down; ps1/eth1 VLAN 100: PENDING",
		},
		{
			"many reasons",
			[]l2gw.BindingStatus{at("eth1", l2gw.StatusDown, "a"), at("eth2", l2gw.StatusDown, "b"), at("eth3", l2gw.StatusDown, "c"), at("eth4", l2gw.StatusDown, "d"), at("eth5", l2gw.StatusDown, "e")},
			l2gw.StatusDown, "ps1/eth1 VLAN 100: a; ps1/eth2 VLAN 100: b; ps1/eth3 VLAN 100: c; and 2 more reasons",
		},
	} {
		if status, reason := l2gw.Rollup(test.bindings); status != test.status || reason != test.reason {
			t.Errorf("%s: %s %q, want %s %q", test.name, status, reason, test.status, test.reason)
		}
	}
}

func TestAGatewayIsTheWorstOfItsConnections(t *testing.T) {
	for _, test := range []struct {
		connections []l2gw.ConnectionStatus
		status      l2gw.Status
		reason      string
	}{
		{nil, l2gw.StatusActive, ""},
		{[]l2gw.ConnectionStatus{{"a", l2gw.StatusActive, ""}, {"b", l2gw.StatusBuild, ""}}, l2gw.StatusBuild, "connection b: BUILD"},
		{[]l2gw.ConnectionStatus{{"a", l2gw.StatusPending, "x"}, {"b", l2gw.StatusDegraded, "y"}}, l2gw.StatusDegraded, "connection b: y"},
		{
			[]l2gw.ConnectionStatus{{"a", l2gw.StatusError, "1"}, {"b", l2gw.StatusError, "2"}, {"c", l2gw.StatusError, "3"}, {"d", l2gw.StatusError, "4"}},
			l2gw.StatusError, "connection a: 1; connection b: 2; connection c: 3; and 1 more connections",
		},
	} {
		if status, reason := l2gw.RollupGateway(test.connections); status != test.status || reason != test.reason {
			t.Errorf("%v: %s %q, want %s %q", test.connections, status, reason, test.status, test.reason)
		}
	}
}
