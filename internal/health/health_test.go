package health

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"
)

func ask(t *testing.T, h http.Handler, method string) *httptest.ResponseRecorder {
	t.Helper()
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, httptest.NewRequestWithContext(t.Context(), method, "/", nil))
	return rec
}

func holds(context.Context) error { return nil }

func TestAFailureThatIsRequiredMakesUnreadyAndAnyOtherIsTold(t *testing.T) {
	fails := func(context.Context) error { return errors.New("it is away") }
	for _, c := range []struct {
		name   string
		checks []Check
		status int
		want   Report
	}{
		{
			"all holds",
			[]Check{{"store", true, holds}, {"database tor", false, holds}},
			200,
			Report{true, []Result{{"store", true, true, ""}, {"database tor", true, false, ""}}},
		},
		{
			"a switch is away",
			[]Check{{"store", true, holds}, {"database tor", false, fails}},
			200,
			Report{true, []Result{{"store", true, true, ""}, {"database tor", false, false, "it is away"}}},
		},
		{
			"the store is away",
			[]Check{{"store", true, fails}, {"database tor", false, holds}},
			503,
			Report{false, []Result{{"store", false, true, "it is away"}, {"database tor", true, false, ""}}},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			rec := ask(t, Ready(func() []Check { return c.checks }), "GET")
			var got Report
			if err := json.Unmarshal(rec.Body.Bytes(), &got); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, got); rec.Code != c.status || diff != "" {
				t.Errorf("%d, want %d (-want +got):\n%s", rec.Code, c.status, diff)
			}
		})
	}
}

func TestACheckThatHangsIsCutOffAndFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hangs := func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
		r := Look(t.Context(), []Check{{"store", true, hangs}})
		if r.Ready || r.Checks[0].Reason != context.DeadlineExceeded.Error() {
			t.Errorf("%+v", r)
		}
	})
}

func TestOnlyReadersAreAnswered(t *testing.T) {
	for _, h := range []http.Handler{Alive(), Ready(func() []Check { return nil })} {
		if rec := ask(t, h, "POST"); rec.Code != 405 || rec.Header().Get("Allow") != "GET, HEAD" {
			t.Errorf("POST: %d %v", rec.Code, rec.Header())
		}
		for _, method := range []string{"GET", "HEAD"} {
			if rec := ask(t, h, method); rec.Code != 200 || rec.Header().Get("Cache-Control") != "no-store" {
				t.Errorf("%s: %d %v", method, rec.Code, rec.Header())
			}
		}
	}
}
