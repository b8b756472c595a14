package ovsdb

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// DefaultPort is the registered port of OVSDB.
const DefaultPort = 6640

// Endpoint is where a server is reached or waited for, in the notation of
// ovsdb(7): tcp:HOST[:PORT], ssl:HOST[:PORT], unix:PATH, and to listen
// ptcp:[PORT][:HOST], pssl:[PORT][:HOST], punix:PATH. An IPv6 address stands in
// brackets.
type Endpoint struct {
	Network string // "tcp" or "unix"
	Address string // host:port or path
	TLS     bool
	Passive bool
}

// ParseEndpoint reads an endpoint.
func ParseEndpoint(s string) (Endpoint, error) {
	kind, rest, ok := strings.Cut(s, ":")
	wrong := func(why string) (Endpoint, error) {
		return Endpoint{}, fmt.Errorf("endpoint %q: %s; it must look like tcp:192.0.2.1:6640, ssl:[2001:db8::1]:6640 or unix:/run/openvswitch/db.sock", s, why)
	}
	if !ok {
		return wrong("there is no colon")
	}
	e := Endpoint{Network: "tcp"}
	if strings.HasPrefix(kind, "p") {
		e.Passive = true
		kind = kind[1:]
	}
	switch kind {
	case "unix":
		if rest == "" {
			return wrong("the path is missing")
		}
		e.Network, e.Address = "unix", rest
		return e, nil
	case "ssl":
		e.TLS = true
	case "tcp":
	default:
		return wrong("the kind is none of tcp, ssl, unix, ptcp, pssl, punix")
	}
	var host, port string
	if e.Passive {
		port, host, _ = strings.Cut(rest, ":")
		host = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	} else {
		switch {
		case strings.HasPrefix(rest, "["):
			end := strings.IndexByte(rest, ']')
			if end < 0 {
				return wrong("a bracket is not closed")
			}
			host = rest[1:end]
			after := rest[end+1:]
			if after != "" && after[0] != ':' {
				return wrong("after the bracket a colon and the port must follow")
			}
			port = strings.TrimPrefix(after, ":")
		case strings.Count(rest, ":") > 1:
			return wrong("an IPv6 address must stand in brackets")
		default:
			host, port, _ = strings.Cut(rest, ":")
		}
		if host == "" {
			return wrong("the host is missing")
		}
	}
	if port == "" {
		port = strconv.Itoa(DefaultPort)
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil || n == 0 && !e.Passive {
		return wrong(fmt.Sprintf("%q is no port number from 1 to 65535", port))
	}
	e.Address = net.JoinHostPort(host, port)
	return e, nil
}

// String is the notation that ParseEndpoint reads.
func (e Endpoint) String() string {
	kind := e.Network
	if e.TLS {
		kind = "ssl"
	}
	if !e.Passive {
		return kind + ":" + e.Address
	}
	if e.Network == "unix" {
		return "punix:" + e.Address
	}
	host, port, _ := net.SplitHostPort(e.Address)
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	return strings.TrimSuffix("p"+kind+":"+port+":"+host, ":")
}

// Dial connects to a server; conf is for ssl endpoints (see TLSFiles). Versions
// of TLS before 1.2 are refused. With TLS 1.3 a server that refuses our
// certificate is noticed only when the session first reads.
func Dial(ctx context.Context, endpoint string, conf *tls.Config) (net.Conn, error) {
	e, err := ParseEndpoint(endpoint)
	if err != nil {
		return nil, err
	}
	if e.Passive {
		return nil, fmt.Errorf("endpoint %q is one to listen on, not to connect to", endpoint)
	}
	if e.TLS && conf == nil {
		return nil, fmt.Errorf("endpoint %q: certificates are needed for ssl, and none are configured", endpoint)
	}
	var d net.Dialer
	nc, err := d.DialContext(ctx, e.Network, e.Address)
	if err != nil || !e.TLS {
		return nc, err
	}
	conf = atLeastTLS12(conf)
	if conf.ServerName == "" && !conf.InsecureSkipVerify {
		conf.ServerName, _, _ = net.SplitHostPort(e.Address)
	}
	t := tls.Client(nc, conf)
	if err := t.HandshakeContext(ctx); err != nil {
		_ = nc.Close()
		return nil, fmt.Errorf("TLS with %s: %w", e, err)
	}
	return t, nil
}

func atLeastTLS12(conf *tls.Config) *tls.Config {
	conf = conf.Clone()
	conf.MinVersion = max(conf.MinVersion, tls.VersionTLS12)
	return conf
}

// Connector gives a Client the connection for its next session.
type Connector interface {
	// Connect returns a new connection, or why there is none. It may wait until
	// ctx ends, as for a server that dials in.
	Connect(ctx context.Context) (net.Conn, error)
}

// dialTimeout is how long one endpoint may take to answer.
const dialTimeout = 10 * time.Second

// Dialer returns a Connector that tries the endpoints in turn: the members of a
// cluster, or the addresses of one server.
func Dialer(conf *tls.Config, endpoints ...string) (Connector, error) {
	if len(endpoints) == 0 {
		return nil, errors.New("no endpoint is given")
	}
	for _, e := range endpoints {
		parsed, err := ParseEndpoint(e)
		switch {
		case err != nil:
			return nil, err
		case parsed.Passive:
			return nil, fmt.Errorf("endpoint %q is one to listen on, not to connect to", e)
		case parsed.TLS && conf == nil:
			return nil, fmt.Errorf("endpoint %q: certificates are needed for ssl, and none are configured", e)
		}
	}
	return &dialer{conf: conf, endpoints: slices.Clone(endpoints)}, nil
}

type dialer struct {
	conf      *tls.Config
	endpoints []string

	mu   sync.Mutex
	next int // whose turn it is
}

func (d *dialer) Connect(ctx context.Context) (net.Conn, error) {
	var errs []error
	for range d.endpoints {
		nc, err := dialWithin(ctx, dialTimeout, d.turn(), d.conf)
		if err == nil {
			return nc, nil
		}
		errs = append(errs, err)
	}
	return nil, errors.Join(errs...)
}

// turn returns the endpoint whose turn it is.
func (d *dialer) turn() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	e := d.endpoints[d.next]
	d.next = (d.next + 1) % len(d.endpoints)
	return e
}

func dialWithin(ctx context.Context, limit time.Duration, endpoint string, conf *tls.Config) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	return Dial(ctx, endpoint, conf)
}
