package neutron_test

import (
	"io"
	"net/http"
	"os"
	"strings"
	"testing"

	"l2gw/test/neutron"
)

func TestMain(m *testing.M) { os.Exit(neutron.Main{M: m}.Run()) }

func TestWhatIsWrittenOutlivesTheServer(t *testing.T) {
	s := neutron.Start(t, neutron.Options{})
	resp, err := http.Post(s.URL+"/v2.0/networks", "application/json", strings.NewReader(`{"network": {"name": "blue", "tenant_id": "p"}}`))
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusCreated {
		t.Fatalf("creating a network: %s", resp.Status)
	}
	s.Kill()
	if resp, err := http.Get(s.URL + "/v2.0/networks"); err == nil {
		resp.Body.Close()
		t.Fatalf("a server that was killed answers: %s", resp.Status)
	}
	s.Run(t)
	resp, err = http.Get(s.URL + "/v2.0/networks?fields=name")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if body, _ := io.ReadAll(resp.Body); !strings.Contains(string(body), `"blue"`) {
		t.Errorf("the network is gone: %s", body)
	}
}

func TestTheSharedServerIsOneAndKnowsNothingOfGateways(t *testing.T) {
	s := neutron.Shared(t)
	if s != neutron.Shared(t) {
		t.Error("there are two")
	}
	resp, err := http.Get(s.URL + "/v2.0/l2-gateways")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusNotFound {
		t.Errorf("l2-gateways: %s, want 404", resp.Status)
	}
}
