package api_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"l2gw"
	"l2gw/internal/store"
)

// heldStore keeps whoever creates something waiting.
type heldStore struct {
	*store.Store
	came    chan struct{}
	release chan struct{}
}

func (s heldStore) CreateGateways(ctx context.Context, all []l2gw.Gateway) ([]l2gw.Gateway, error) {
	s.came <- struct{}{}
	select {
	case <-s.release:
		return s.Store.CreateGateways(ctx, all)
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Bodies were once counted only until they had been received: requests that waited
// for the database could keep any number of them in memory.
func TestLargeBodiesCountUntilTheirRequestsAreAnswered(t *testing.T) {
	w := newWorld(t)
	held := heldStore{w.store, make(chan struct{}, 100), make(chan struct{})}
	w.serve(held)
	// A device's unknown keys are nothing to anybody, but they are in the body.
	const before, after = `{"l2_gateway": {"devices": [{"device_name": "ps1", "interfaces": [{"name": "eth1"}], "more": "`, `"}]}}`
	large := before + strings.Repeat("x", 1<<20-len(before)-len(after)) + after
	post := func(body string) *httptest.ResponseRecorder {
		rec := httptest.NewRecorder()
		w.handler.ServeHTTP(rec, httptest.NewRequestWithContext(t.Context(), "POST", "http://127.0.0.1"+gatewaysPath, strings.NewReader(body)))
		return rec
	}
	const room = 64 // of 1 MiB each
	statuses := make([]int, room)
	var all sync.WaitGroup
	for i := range room {
		all.Go(func() { statuses[i] = post(large).Code })
	}
	for range room {
		<-held.came
	}
	if got := post(large); got.Code != http.StatusServiceUnavailable || !strings.Contains(got.Body.String(), "more requests than it can answer") {
		t.Errorf("one more: %d %s", got.Code, got.Body)
	}
	small := make(chan int, 1)
	go func() { small <- post(gatewayBody("x", "eth1", "")).Code }()
	<-held.came // small ones are not counted
	close(held.release)
	all.Wait()
	if got := <-small; got != http.StatusCreated {
		t.Errorf("a small one: %d", got)
	}
	for i, got := range statuses {
		if got != http.StatusCreated {
			t.Errorf("request %d: %d", i, got)
		}
	}
	if got := post(large); got.Code != http.StatusCreated {
		t.Errorf("when all are answered: %d %s", got.Code, got.Body)
	}
}
