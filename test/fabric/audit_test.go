package fabric

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"l2gw/test/product"
)

// auditLine is what this story reads of a line of the audit file.
type auditLine struct {
	Agent      string   `json:"agent"`
	Database   string   `json:"database"`
	Epoch      uint64   `json:"epoch"`
	Requests   []string `json:"request_ids"`
	Result     string   `json:"result"`
	Operations []struct {
		Table string `json:"table"`
		What  string `json:"what"`
	} `json:"operations"`
}

// One id leads from the answer of the API to the rows that were written for it.
func TestTheAuditFileSaysWhichRowsWereWrittenWhereForWhichRequest(t *testing.T) {
	file := filepath.Join(t.TempDir(), "audit.log")
	t.Setenv("L2GW_AUDIT", file)
	l := newLab(t, 5)
	l.Agents = l.Agents[:1]
	l.Start()
	api := &l.Servers[1].API
	gateway := api.CreateGateway("gw", product.Device{Name: "ps2", Interfaces: []product.Interface{{Name: "eth1"}}})
	body := fmt.Sprintf(`{"l2_gateway_connection":{"l2_gateway_id":%q,"network_id":%q,"segmentation_id":"100"}}`, gateway, netA)
	resp, err := http.Post(api.URL+"/v2.0/l2-gateway-connections", "application/json", bytes.NewReader([]byte(body)))
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	request := resp.Header.Get("X-Openstack-Request-Id")
	if resp.StatusCode != http.StatusCreated || request == "" {
		t.Fatalf("%s, request id %q", resp.Status, request)
	}
	product.Eventually(t, "the audit file tells of the request", func() error {
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		rows := map[string]bool{}
		for line := range bytes.Lines(text) {
			var a auditLine
			if err := json.Unmarshal(line, &a); err != nil {
				return fmt.Errorf("%s: %w", line, err)
			}
			if !slices.Contains(a.Requests, request) {
				continue
			}
			if a.Agent != "agent-1" || a.Database != "two" || a.Epoch == 0 || a.Result != "done" {
				return fmt.Errorf("%s", line)
			}
			for _, op := range a.Operations {
				rows[op.Table] = true
			}
		}
		for _, table := range []string{"Logical_Switch", "Physical_Port", "Ucast_Macs_Remote", "Mcast_Macs_Remote"} {
			if !rows[table] {
				return errors.New("no operation on " + table + " in\n" + string(text))
			}
		}
		return nil
	})
	// The same id is in the logs of the server and of the agent.
	l.Servers[1].WaitLog("intent changed", request)
	l.Agents[0].WaitLog("the switch holds a binding", request)
}
