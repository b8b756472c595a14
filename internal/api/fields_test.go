package api_test

import (
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"l2gw"
)

// A list of 20,000 networks whose query named 7,000 fields once took a processor
// for five seconds.
func TestHowManyFieldsAreNamedCostsNothingOfEachObject(t *testing.T) {
	w := newWorld(t)
	all := make([]l2gw.DirectoryNetwork, 20_000)
	for i := range all {
		all[i].Network = l2gw.Network{ID: fmt.Sprintf("%08d-0000-4000-8000-000000000000", i), Name: "n", VNI: 5000}
	}
	w.ctl.directory = l2gw.NewDirectory(all, nil)
	list := func(query string) (body string, took time.Duration) {
		began := time.Now()
		rec := httptest.NewRecorder()
		w.handler.ServeHTTP(rec, httptest.NewRequestWithContext(t.Context(), "GET", "http://127.0.0.1/v2.0/networks?"+query, nil))
		if rec.Code != 200 {
			t.Fatalf("%d %s", rec.Code, rec.Body)
		}
		return rec.Body.String(), time.Since(began)
	}
	want, one := list("fields=name")
	got, many := list("fields=name" + strings.Repeat("&fields=x&fields=name", 3500))
	t.Logf("one field: %s, 7,000: %s", one, many)
	if got != want {
		t.Error("another answer")
	}
	if limit := 20*one + time.Second; many > limit {
		t.Errorf("7,000 fields took %s, one %s", many, one)
	}
}
