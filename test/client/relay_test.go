package client

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strconv"
	"sync/atomic"
	"testing"
)

// relay passes requests on to a server, and answers back, if told so with those
// attributes only that the predecessor had.
type relay struct {
	*httptest.Server
	older atomic.Bool
}

var predecessor = []string{"id", "name", "devices", "tenant_id", "l2_gateway_id", "network_id", "segmentation_id"}

func newRelay(t testing.TB, server string) *relay {
	t.Helper()
	to, err := url.Parse(server)
	if err != nil {
		t.Fatal(err)
	}
	r := &relay{}
	r.Server = httptest.NewServer(&httputil.ReverseProxy{
		Rewrite: func(p *httputil.ProxyRequest) { p.SetURL(to) },
		ModifyResponse: func(answer *http.Response) error {
			if !r.older.Load() || answer.StatusCode >= 300 {
				return nil
			}
			data, err := io.ReadAll(answer.Body)
			if err != nil {
				return err
			}
			data = keepOld(data)
			answer.Body = io.NopCloser(bytes.NewReader(data))
			answer.Header.Set("Content-Length", strconv.Itoa(len(data)))
			return nil
		},
	})
	t.Cleanup(r.Close)
	return r
}

// keepOld leaves newer attributes out of one object or a list of them. The order of
// keys inside devices is kept: the real client prints it.
func keepOld(data []byte) []byte {
	var body map[string]json.RawMessage
	if json.Unmarshal(data, &body) != nil {
		return data
	}
	for _, kind := range []string{"l2_gateway", "l2_gateway_connection"} {
		var one map[string]json.RawMessage
		if raw, ok := body[kind]; ok && json.Unmarshal(raw, &one) == nil {
			for key := range one {
				if !slices.Contains(predecessor, key) {
					delete(one, key)
				}
			}
			body[kind], _ = json.Marshal(one)
		}
	}
	out, err := json.Marshal(body)
	if err != nil {
		return data
	}
	return out
}
