package fabric

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net"
	"net/http"
	"regexp"
	"slices"
	"sync"
	"time"
)

// NewServer returns a server for the handler of [NewHandler]: with TLS
// (http.Server.ServeTLS with no files) if c is not nil, else in plaintext
// (Serve), which the allow list takes on loopback only.
func NewServer(h http.Handler, c *tls.Config, l *slog.Logger) *http.Server {
	if l == nil {
		l = slog.Default()
	}
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true) // to answer those in words who have the wrong port
	protocols.SetHTTP2(c != nil)
	protocols.SetUnencryptedHTTP2(c == nil)
	return &http.Server{
		Handler: h, TLSConfig: c, Protocols: protocols,
		ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 30 * time.Second, MaxHeaderBytes: 16 << 10,
		HTTP2: &http.HTTP2Config{
			MaxConcurrentStreams:      16,
			MaxReceiveBufferPerStream: 1 << 20, MaxReceiveBufferPerConnection: 1 << 20,
		},
		ErrorLog: slog.NewLogLogger(seldomHandler{l.Handler(), newSeldom()}, slog.LevelInfo),
	}
}

// ServerTLS returns c fit for agents: over HTTP/2 and, if tokens are in use, for
// agents without a certificate. One that is shown is verified as before.
func ServerTLS(c *tls.Config, tokens bool) *tls.Config {
	c = c.Clone()
	if !slices.Contains(c.NextProtos, "h2") {
		c.NextProtos = append([]string{"h2"}, c.NextProtos...)
	}
	if !tokens {
		return c
	}
	if c.ClientAuth == tls.RequireAndVerifyClientCert {
		c.ClientAuth = tls.VerifyClientCertIfGiven
	} else if verify := c.VerifyConnection; verify != nil && c.ClientAuth == tls.RequireAnyClientCert {
		c.ClientAuth = tls.RequestClientCert
		c.VerifyConnection = func(s tls.ConnectionState) error {
			if len(s.PeerCertificates) == 0 {
				return nil
			}
			return verify(s)
		}
	}
	return c
}

// seldomHandler takes what http.Server has to say, such as failed handshakes.
type seldomHandler struct {
	slog.Handler
	seen *seldom
}

var anyPort = regexp.MustCompile(`:\d+: `)

// Handle implements slog.Handler.
func (h seldomHandler) Handle(ctx context.Context, r slog.Record) error {
	if !h.seen.allow(anyPort.ReplaceAllString(r.Message, ": ")) {
		return nil
	}
	return h.Handler.Handle(ctx, r)
}

// seldom lets the same text pass once a minute: who is refused dials again and again.
type seldom struct {
	mu   sync.Mutex
	seen map[string]time.Time
}

const (
	seldomPause = time.Minute
	seldomTexts = 1000
)

func newSeldom() *seldom { return &seldom{seen: map[string]time.Time{}} }

func (s *seldom) allow(text string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	if last, ok := s.seen[text]; ok && now.Sub(last) < seldomPause {
		return false
	}
	if len(s.seen) >= seldomTexts {
		clear(s.seen)
	}
	s.seen[text] = now
	return true
}

// hostOf is an address without its port.
func hostOf(address string) string {
	if host, _, err := net.SplitHostPort(address); err == nil {
		return host
	}
	return address
}
