package main

import (
	"crypto/tls"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/netip"
	"time"

	"github.com/spf13/pflag"

	"l2gw/internal/gate"
	"l2gw/internal/pki"
)

// doorOptions say how clients come to the API: over TLS, how many at the same
// time, and by whose word of who they are.
type doorOptions struct {
	certificate string
	key         string
	ca          string // of clients' certificates; "": they need none
	connections int
	trusted     []string
}

// doorKeys are those of doorOptions that ini files have.
var doorKeys = map[string]key{
	"api-certificate": {"l2gw", "api_certificate"},
	"api-private-key": {"l2gw", "api_private_key"},
	"api-ca-cert":     {"l2gw", "api_ca_cert"},
	"max-connections": {"l2gw", "max_connections"},
	"trusted-proxies": {"l2gw", "trusted_proxies"},
}

func init() { maps.Copy(serveKeys, doorKeys) }

const (
	leastConnections = 16
	mostConnections  = 100_000
)

func (o *doorOptions) addFlags(f *pflag.FlagSet) {
	f.StringVar(&o.certificate, "api-certificate", "", "PEM file with the API's certificate and those between it and its authority: the API speaks TLS then")
	f.StringVar(&o.key, "api-private-key", "", "PEM file with the private key of --api-certificate")
	f.StringVar(&o.ca, "api-ca-cert", "", "PEM file with an authority: clients must have a certificate of it (default: they need none)")
	f.IntVar(&o.connections, "max-connections", 1000, "how many connections the API has at the same time; beyond that, idle ones make room")
	f.StringSliceVar(&o.trusted, "trusted-proxies", nil, "addresses or networks of load balancers whose X-Forwarded-For, -Proto and -Host are believed")
}

// check says what is wrong with the options.
func (o *doorOptions) check() error {
	if o.connections < leastConnections || o.connections > mostConnections {
		return fmt.Errorf("--max-connections %d: it must be from %d to %d", o.connections, leastConnections, mostConnections)
	}
	_, err := o.proxies()
	if err == nil {
		_, err = o.tls()
	}
	return err
}

// proxies are the networks of --trusted-proxies.
func (o *doorOptions) proxies() (all []netip.Prefix, err error) {
	for _, text := range o.trusted {
		p, err := netip.ParsePrefix(text)
		if addr, failed := netip.ParseAddr(text); failed == nil {
			p, err = addr.Prefix(addr.BitLen())
		}
		if err != nil {
			return nil, fmt.Errorf("--trusted-proxies: %q is no address and no network, such as 192.0.2.1 or 192.0.2.0/24", text)
		}
		all = append(all, p.Masked())
	}
	return all, nil
}

// files are those of TLS, which is spoken if there are any.
func (o *doorOptions) files() pki.Files {
	return pki.Files{
		CA:          pki.File{Option: "--api-ca-cert", Path: o.ca},
		Certificate: pki.File{Option: "--api-certificate", Path: o.certificate},
		Key:         pki.File{Option: "--api-private-key", Path: o.key},
	}
}

// tls reads the files; nil: there are none.
func (o *doorOptions) tls() (*tls.Config, error) {
	files := o.files()
	if len(files.Given()) == 0 {
		return nil, nil
	}
	c, err := files.Server()
	if err != nil {
		return nil, err
	}
	c.NextProtos = []string{"http/1.1"}
	return c, nil
}

// scheme is that of the API's URL.
func (o *doorOptions) scheme() string {
	if o.certificate != "" {
		return "https"
	}
	return "http"
}

// listen puts gate and TLS before a listener, and the server behind it.
func (o *doorOptions) listen(l net.Listener, server *http.Server, log *slog.Logger) (net.Listener, error) {
	var secure *tls.Config
	if files := o.files(); len(files.Given()) > 0 {
		followed, err := pki.Follow(files.Given(), o.tls, pki.Log(log, "the API"))
		if err != nil {
			return nil, err
		}
		secure = &tls.Config{
			MinVersion:         tls.VersionTLS12,
			GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) { return followed.Get(), nil },
		}
	}
	door := gate.Listen(l, o.connections, log)
	server.ConnState = door.ConnState
	if secure == nil {
		return door, nil
	}
	return gate.TLS(door, secure, log), nil
}

// newHTTPServer bounds what a client may take of the time of its connection. What
// a body and an answer may take, the API bounds more closely, and the gate the
// pieces in which an answer is read.
func newHTTPServer(h http.Handler, log *slog.Logger) *http.Server {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true) // the clients of OpenStack speak no other
	return &http.Server{
		Handler:           h,
		Protocols:         protocols,
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       70 * time.Second,
		WriteTimeout:      10 * time.Minute,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		// The path "*" is the API's to answer, as any other.
		DisableGeneralOptionsHandler: true,
		ErrorLog:                     slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
}
