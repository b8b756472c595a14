package api_test

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"l2gw"
)

func TestALongListIsSentWhileItIsMadeAndAShortOneHasALength(t *testing.T) {
	w := newWorld(t)
	server := httptest.NewServer(w.handler)
	defer server.Close()
	get := func() (*http.Response, []byte) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+"/v2.0/l2-gateways", nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		var body bytes.Buffer
		if _, err := body.ReadFrom(resp.Body); err != nil {
			t.Fatal(err)
		}
		return resp, body.Bytes()
	}
	if resp, body := get(); resp.ContentLength != int64(len(body)) {
		t.Errorf("Content-Length %d of %d bytes", resp.ContentLength, len(body))
	}
	const many = 1000
	all := make([]l2gw.Gateway, many)
	for i := range all {
		all[i] = l2gw.Gateway{ProjectID: "p", Name: strings.Repeat("é", 100), Description: `"\`, Devices: []l2gw.Device{{Name: "ps1", Interfaces: []l2gw.Interface{{Name: "eth1"}}}}}
	}
	if _, err := w.store.CreateGateways(t.Context(), all); err != nil {
		t.Fatal(err)
	}
	resp, body := get()
	if resp.ContentLength != -1 || len(body) < 300*many {
		t.Errorf("Content-Length %d of %d bytes: they were all in memory", resp.ContentLength, len(body))
	}
	rec := httptest.NewRecorder()
	w.handler.ServeHTTP(rec, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/v2.0/l2-gateways", nil))
	if !bytes.Equal(rec.Body.Bytes(), body) {
		t.Error("the same list looks different")
	}
	if got := bytes.Count(body, []byte(`"tenant_id": `)); got != many {
		t.Errorf("%d gateways, want %d", got, many)
	}
}

// breaksDown is a policy that fails in the middle of a list.
type breaksDown struct{ asked *int }

func (p breaksDown) Allows(_ string, _, _ map[string]any) bool {
	if *p.asked++; *p.asked > 10_000 {
		panic("broken")
	}
	return true
}

// AllowsAll is true of networks, and has it asked of each whether an attribute is shown.
func (breaksDown) AllowsAll(action string, _ map[string]any) bool {
	return !strings.Contains(action, ":")
}

func TestAnAnswerThatBreaksOffDoesNotLookWhole(t *testing.T) {
	w := newWorld(t)
	w.ctl.directory = crowd()
	w.options.Policy = breaksDown{new(int)}
	w.serve(w.store)
	server := httptest.NewServer(w.handler)
	defer server.Close()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+"/v2.0/networks", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if !errors.Is(err, io.ErrUnexpectedEOF) || len(body) == 0 {
		t.Errorf("%d bytes of a list that broke off, and then %v", len(body), err)
	}
	server.Close() // waits for the log's line
	if log := w.log.String(); !strings.Contains(log, "request panicked") || !strings.Contains(log, `"msg":"request"`) {
		t.Errorf("the log says only %s", log)
	}
}
