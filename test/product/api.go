package product

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"strings"
	"testing"
	"time"
)

// API is a client of a server. Its methods end the test when they fail.
type API struct {
	URL    string
	Header http.Header // of each request, such as a token's
	t      testing.TB
}

// Object is a JSON object.
type Object = map[string]any

// Do sends a request and returns status and body; body may be nil.
func (a *API) Do(method, path string, body any) (int, Object) {
	a.t.Helper()
	var r io.Reader
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			a.t.Fatal(err)
		}
		r = bytes.NewReader(b)
	}
	req, err := http.NewRequest(method, a.URL+path, r)
	if err != nil {
		a.t.Fatal(err)
	}
	maps.Copy(req.Header, a.Header)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		a.t.Fatalf("%s %s: %v", method, path, err)
	}
	defer resp.Body.Close()
	out := Object{}
	if b, _ := io.ReadAll(resp.Body); len(b) > 0 {
		if err := json.Unmarshal(b, &out); err != nil {
			a.t.Fatalf("%s %s: %v in %q", method, path, err, b)
		}
	}
	return resp.StatusCode, out
}

// must is Do with the status that is expected.
func (a *API) must(status int, method, path string, body any) Object {
	a.t.Helper()
	got, out := a.Do(method, path, body)
	if got != status {
		a.t.Fatalf("%s %s: %d %v, want %d", method, path, got, out, status)
	}
	return out
}

// Device is a device of a gateway: its interfaces and the VLANs of each (or none).
type Device struct {
	Name       string
	Interfaces []Interface
}

// Interface is a port and its VLANs.
type Interface struct {
	Name  string
	VLANs []int
}

// CreateGateway returns the new gateway's id.
func (a *API) CreateGateway(name string, devices ...Device) string {
	a.t.Helper()
	var list []Object
	for _, d := range devices {
		var ifs []Object
		for _, i := range d.Interfaces {
			o := Object{"name": i.Name}
			if len(i.VLANs) > 0 {
				o["segmentation_id"] = i.VLANs
			}
			ifs = append(ifs, o)
		}
		list = append(list, Object{"device_name": d.Name, "interfaces": ifs})
	}
	out := a.must(http.StatusCreated, "POST", "/v2.0/l2-gateways", Object{"l2_gateway": Object{"name": name, "devices": list}})
	return out["l2_gateway"].(Object)["id"].(string)
}

// Connect returns the new connection's id; vlan is "" if the gateway has its own.
func (a *API) Connect(gateway, network, vlan string) string {
	a.t.Helper()
	c := Object{"l2_gateway_id": gateway, "network_id": network}
	if vlan != "" {
		c["segmentation_id"] = vlan
	}
	out := a.must(http.StatusCreated, "POST", "/v2.0/l2-gateway-connections", Object{"l2_gateway_connection": c})
	return out["l2_gateway_connection"].(Object)["id"].(string)
}

// Disconnect deletes a connection.
func (a *API) Disconnect(id string) {
	a.t.Helper()
	a.must(http.StatusNoContent, "DELETE", "/v2.0/l2-gateway-connections/"+id, nil)
}

// Connection shows a connection.
func (a *API) Connection(id string) Object {
	a.t.Helper()
	return a.must(http.StatusOK, "GET", "/v2.0/l2-gateway-connections/"+id, nil)["l2_gateway_connection"].(Object)
}

// WaitStatus waits until the connection has the status and returns its reason.
func (a *API) WaitStatus(connection, status string) (reason string) {
	a.t.Helper()
	a.Eventually("connection "+connection+" is "+status, func() error {
		c := a.Connection(connection)
		if c["status"] != status {
			return fmt.Errorf("it is %v: %v", c["status"], c["status_reason"])
		}
		reason, _ = c["status_reason"].(string)
		return nil
	})
	return reason
}

// WaitDevice waits until what is told of a device satisfies check.
func (a *API) WaitDevice(device, what string, check func(Object) error) {
	a.t.Helper()
	a.Eventually("device "+device+" "+what, func() error {
		_, out := a.Do("GET", "/v2.0/l2-gateway-devices/"+device, nil)
		d, _ := out["l2_gateway_device"].(Object)
		if d == nil {
			return fmt.Errorf("%v", out)
		}
		return check(d)
	})
}

// monitoring gives up soon, because a process may stand still, and keeps no
// connections, because links may have been cut meanwhile.
var monitoring = &http.Client{Timeout: 3 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}

// Metric is the value of a series, as in `l2gw_lease_leading` or `x{database="tor"}`, or -1.
func (a *API) Metric(series string) (v float64) {
	a.t.Helper()
	resp, err := monitoring.Get(a.URL + "/metrics")
	if err != nil {
		return -1
	}
	defer resp.Body.Close()
	b, _ := io.ReadAll(resp.Body)
	for line := range strings.Lines(string(b)) {
		if rest, ok := strings.CutPrefix(line, series+" "); ok {
			if _, err := fmt.Sscan(rest, &v); err == nil {
				return v
			}
		}
	}
	return -1
}

// Value is the Metric of a process that does not stand still, and has it: it waits for it.
func (a *API) Value(series string) (v float64) {
	a.t.Helper()
	a.Eventually(a.URL+" tells "+series, func() error {
		if v = a.Metric(series); v == -1 {
			return errors.New("it does not")
		}
		return nil
	})
	return v
}

// Eventually waits until check returns nil; after Patience it ends the test.
func (a *API) Eventually(what string, check func() error) {
	a.t.Helper()
	Eventually(a.t, what, check)
}
