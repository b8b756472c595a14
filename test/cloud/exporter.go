package cloud

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"l2gw/test/product"
)

// exporter stands between the product and Neutron and writes the networks that
// Neutron makes into the inventory file.
type exporter struct {
	url string
	// Set once the product runs, which is before there are networks.
	file  string
	known func() (networks int, err error) // of the product

	mu       sync.Mutex
	networks map[string]int // id → VNI
}

// inventory is the file's content.
func (e *exporter) inventory() string {
	var b strings.Builder
	b.WriteString("hosts: []\nports: []\nnetworks:\n")
	for _, id := range slices.Sorted(maps.Keys(e.networks)) {
		fmt.Fprintf(&b, "- {id: %s, vni: %d}\n", id, e.networks[id])
	}
	if len(e.networks) == 0 {
		b.WriteString("  []\n")
	}
	return b.String()
}

func newExporter(t testing.TB, neutron string) *exporter {
	t.Helper()
	to, err := url.Parse(neutron)
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{}
	e := &exporter{networks: map[string]int{}}
	server := httptest.NewServer(&httputil.ReverseProxy{
		Rewrite:        func(r *httputil.ProxyRequest) { r.SetURL(to) },
		Transport:      transport,
		ModifyResponse: e.export,
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, err error) {
			http.Error(w, "the exporter of the test: "+err.Error(), http.StatusInternalServerError)
		},
		ErrorLog: log.New(io.Discard, "", 0),
	})
	t.Cleanup(func() {
		server.Close()
		transport.CloseIdleConnections()
	})
	e.url = server.URL
	return e
}

// export follows VXLAN networks that come and go. Only to administrators Neutron
// says which VNI a network has; those of others are left out.
func (e *exporter) export(resp *http.Response) error {
	r := resp.Request
	collection := strings.TrimSuffix(r.URL.Path, ".json")
	switch {
	case r.Method == http.MethodPost && collection == "/v2.0/networks" && resp.StatusCode == http.StatusCreated:
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			return err
		}
		resp.Body = io.NopCloser(bytes.NewReader(body))
		type network struct {
			ID   string
			Type string `json:"provider:network_type"`
			VNI  int    `json:"provider:segmentation_id"`
		}
		var made struct {
			Network  network
			Networks []network
		}
		if err := json.Unmarshal(body, &made); err != nil {
			return err
		}
		return e.change(func() {
			for _, n := range append(made.Networks, made.Network) {
				if n.Type == "vxlan" {
					e.networks[n.ID] = n.VNI
				}
			}
		})
	case r.Method == http.MethodDelete && path.Dir(collection) == "/v2.0/networks" && resp.StatusCode == http.StatusNoContent:
		return e.change(func() { delete(e.networks, path.Base(collection)) })
	}
	return nil
}

// change writes the file anew and waits until the product has read it.
func (e *exporter) change(do func()) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	before := maps.Clone(e.networks)
	if do(); maps.Equal(before, e.networks) {
		return nil
	}
	// At one stroke: the product reads the file at any time.
	if err := errors.Join(os.WriteFile(e.file+".new", []byte(e.inventory()), 0o600), os.Rename(e.file+".new", e.file)); err != nil {
		return err
	}
	for deadline := time.Now().Add(product.Patience); ; time.Sleep(10 * time.Millisecond) {
		n, err := e.known()
		if err == nil && n == len(e.networks) {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("the product knows %d networks and not %d (%w)", n, len(e.networks), err)
		}
	}
}
