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
	looking bool // a request looks now, without mu
}

// NewTransport returns one that is as template, which it takes over, but for TLS.
func NewTransport(template *http.Transport, files *Followed[*tls.Config]) *Transport {
	t := &Transport{template: template, tls: files, looked: time.Now()}
	t.use(files.Get())
	return t
}

// use makes a transport. The configuration is cloned, as a transport adds HTTP/2 to its own.
func (t *Transport) use(config *tls.Config) {
	next := t.template.Clone()
	next.TLSClientConfig = config.Clone()
	t.current, t.config = next, config
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

// now is the transport of the files as they are. While one request looks at them,
// which takes as long as the disk does, all others go by the one so far.
func (t *Transport) now() *http.Transport {
	if t.due() {
		t.follow(t.tls.Get())
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.current
}

// due says whether the caller is to look at the files.
func (t *Transport) due() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.looking || !t.looked.IsZero() && time.Since(t.looked) < interval {
		return false
	}
	t.looking, t.looked = true, time.Now()
	return true
}

// follow ends the look that has found config.
func (t *Transport) follow(config *tls.Config) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.looking = false
	if config != t.config {
		t.current.CloseIdleConnections()
		t.use(config)
	}
}
