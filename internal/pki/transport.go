package pki

import (
	"crypto/tls"
	"net/http"
	"sync"
	"time"
)

// interval is how often a [Transport] looks at its files at most, while requests succeed.
const interval = time.Second

// Transport is an http.RoundTripper whose connections use the TLS configuration
// that the files have now. [http.Transport] keeps the one that it was given, so each
// has a transport of its own. When the files have changed, idle connections are
// closed, and requests under way end on theirs.
//
// It sees a change a second late at most, or when a request fails.
type Transport struct {
	template *http.Transport // never used itself
	tls      *Followed[*tls.Config]

	mu      sync.Mutex
	current *http.Transport
	config  *tls.Config // of current
	looked  time.Time
}

// NewTransport returns one that is as template, which it takes over, but for TLS.
func NewTransport(template *http.Transport, files *Followed[*tls.Config]) *Transport {
	t := &Transport{template: template, tls: files}
	t.use(files.Get())
	return t
}

// use makes a transport. The configuration is cloned, as a transport adds HTTP/2 to its own.
func (t *Transport) use(config *tls.Config) {
	next := t.template.Clone()
	next.TLSClientConfig = config.Clone()
	t.current, t.config, t.looked = next, config, time.Now()
}

// RoundTrip implements [http.RoundTripper].
func (t *Transport) RoundTrip(r *http.Request) (*http.Response, error) {
	a, err := t.now().RoundTrip(r)
	if err != nil {
		t.mu.Lock()
		t.looked = time.Time{} // the other end may be renewed already, and our files as well
		t.mu.Unlock()
	}
	return a, err
}

// CloseIdleConnections is what [http.Client.CloseIdleConnections] calls.
func (t *Transport) CloseIdleConnections() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.current.CloseIdleConnections()
}

func (t *Transport) now() *http.Transport {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.looked.IsZero() && time.Since(t.looked) < interval {
		return t.current
	}
	t.looked = time.Now()
	if config := t.tls.Get(); config != t.config {
		t.current.CloseIdleConnections()
		t.use(config)
	}
	return t.current
}
