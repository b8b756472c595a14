package health

import (
	"context"
	"encoding/json"
	"net/http"
	"time"
)

// timeout bounds how long all checks together may take.
const timeout = 3 * time.Second

// Check is one condition.
type Check struct {
	Name string
	// Required: the process is not ready while it fails. One that is not is only told of.
	Required bool
	// Run returns why the condition does not hold, or nil. It is called for each request.
	Run func(ctx context.Context) error
}

// Report is the answer of /readyz.
type Report struct {
	Ready  bool     `json:"ready"`
	Checks []Result `json:"checks"`
}

// Result is how one check ended.
type Result struct {
	Name     string `json:"name"`
	OK       bool   `json:"ok"`
	Required bool   `json:"required"`
	Reason   string `json:"reason,omitempty"` // why not
}

// Look carries out all checks.
func Look(ctx context.Context, checks []Check) Report {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	r := Report{Ready: true}
	for _, c := range checks {
		x := Result{Name: c.Name, OK: true, Required: c.Required}
		if err := c.Run(ctx); err != nil {
			x.OK, x.Reason = false, err.Error()
			r.Ready = r.Ready && !c.Required
		}
		r.Checks = append(r.Checks, x)
	}
	return r
}

// Ready answers with a Report: 200 if it is ready, else 503. The checks are asked for anew each time.
func Ready(checks func() []Check) http.Handler {
	return get(func(w http.ResponseWriter, r *http.Request) {
		report := Look(r.Context(), checks())
		body, err := json.MarshalIndent(report, "", "  ")
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		if !report.Ready {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		_, _ = w.Write(append(body, '\n')) // who went away has no use for an error
	})
}

// Alive answers 200: that there is an answer is the answer.
func Alive() http.Handler {
	return get(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, _ = w.Write([]byte("ok\n"))
	})
}

// get lets only readers through, and no cache.
func get(f http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			http.Error(w, "only GET and HEAD", http.StatusMethodNotAllowed)
			return
		}
		w.Header().Set("Cache-Control", "no-store")
		f(w, r)
	})
}
