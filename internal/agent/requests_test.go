package agent

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"l2gw"
	"l2gw/internal/fabric"
	"l2gw/test/ovsdbd"
)

func TestTheAuditTellsWhichRequestWroteAndRemovedWhat(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit")
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	l := &lab{server: newServer(t, "one").lead(1), db: newSwitch(t, ovsdbd.Options{})}
	l.agent, l.stop = run(t, Options{
		Servers: []Server{l.dial()}, Databases: []DatabaseOptions{{Name: "tor", Connect: dialer(t, l.db)}}, Audit: file,
	})
	l.server.agent()
	l.grant(1, 1)
	l.snapshot(3)
	wait(l.server, "the confirmation", active)
	k := l2gw.BindingKey{Device: "ps1", Interface: "eth1", VLAN: 200}
	owned := l2gw.Ownership{
		Networks: map[string]l2gw.VNI{network: 5001},
		Bindings: map[l2gw.BindingKey]string{{Device: "ps1", Interface: "eth1", VLAN: 100}: network, k: network},
	}
	l.tell(fabric.Owned{Database: "tor", Version: l.next(), Owned: owned}, fabric.Bindings{
		Database: "tor", Version: l.next(), Set: []l2gw.Binding{{BindingKey: k, NetworkID: network, Revision: 2, Request: "req-set"}},
	})
	wait(l.server, "the confirmation", func(m fabric.Applied) bool { return active(m) && m.Bindings[0].Key == k })
	l.tell(fabric.Bindings{Database: "tor", Version: l.next(), Unset: []fabric.Unbound{{BindingKey: k, Request: "req-unset"}}})
	wait(l.server, "the confirmation", func(m fabric.Applied) bool { return m.Gone.Bindings[k] == network })
	l.stop()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]bool{}
	for line := range strings.Lines(string(text)) {
		var r auditRecord
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			t.Fatal(err)
		}
		for _, op := range r.Operations {
			if op.What == "ps1/eth1/200" && r.Result == ResultDone && r.Epoch == 1 && r.Agent == "here" && len(r.Requests) == 1 &&
				slices.Contains(r.Networks, network) {
				found[r.Requests[0]] = true
			}
		}
	}
	if !found["req-set"] || !found["req-unset"] || len(found) != 2 {
		t.Errorf("found %v in\n%s", found, text)
	}
}

func TestAPaceBoundsHowFastASwitchIsFilled(t *testing.T) {
	l := start(t, DatabaseOptions{Pace: 1000})
	l.grant(1, 1)
	began := time.Now()
	l.snapshot(2500) // with their guards, many more operations than fit into two seconds
	wait(l.server, "the confirmation", active)
	l.waitRows(2500)
	if took := time.Since(began); took < time.Second {
		t.Errorf("it took %v", took)
	}
}
