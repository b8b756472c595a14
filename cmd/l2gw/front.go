package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"l2gw/internal/api"
	"l2gw/internal/front"
	"l2gw/internal/pki"
)

// frontOptions say how the API stands beside Neutron, or in front of it.
type frontOptions struct {
	proxy     bool
	neutron   string // URL of Neutron's own endpoint; "": there is none
	publicURL string // how clients reach us; "": as they say
	cafile    string
	certfile  string
	keyfile   string
	insecure  bool
	drain     time.Duration
}

// frontKeys are those of frontOptions that ini files have.
var frontKeys = map[string]key{
	"proxy":            {"l2gw", "proxy"},
	"public-url":       {"l2gw", "public_url"},
	"drain":            {"l2gw", "drain_time"},
	"neutron":          {"neutron", "endpoint_override"},
	"neutron-cafile":   {"neutron", "cafile"},
	"neutron-certfile": {"neutron", "certfile"},
	"neutron-keyfile":  {"neutron", "keyfile"},
	"neutron-insecure": {"neutron", "insecure"},
}

func init() { maps.Copy(serveKeys, frontKeys) }

func (o *frontOptions) addFlags(f *pflag.FlagSet) {
	f.BoolVar(&o.proxy, "proxy", false, "stand in front of Neutron: pass on to it all that is not ours (needs --neutron)")
	f.StringVar(&o.neutron, "neutron", "", "URL of Neutron's own endpoint, http://HOST:9696, whose extensions are listed with ours")
	f.StringVar(&o.publicURL, "public-url", "", "URL by which clients reach this API, for links in answers (default as each request says)")
	f.StringVar(&o.cafile, "neutron-cafile", "", "PEM file with the authorities of Neutron's certificate (default the system's)")
	f.StringVar(&o.certfile, "neutron-certfile", "", "PEM file with the certificate that Neutron is shown")
	f.StringVar(&o.keyfile, "neutron-keyfile", "", "PEM file with the key of --neutron-certfile")
	f.BoolVar(&o.insecure, "neutron-insecure", false, "do not check Neutron's certificate")
	f.DurationVar(&o.drain, "drain", 0, "how long to go on serving after SIGTERM while /readyz fails, so that load balancers turn away first")
}

// stand puts Neutron behind the API, if there is one.
func (o *frontOptions) stand(ctx context.Context, calls http.Handler, listen net.Addr, trusted api.Proxies, observe func(api.Request), log *slog.Logger) (http.Handler, error) {
	upstream, err := o.upstream()
	if upstream == nil || err != nil {
		return calls, err
	}
	secure, err := pki.Follow(o.files().Given(), o.tls, pki.Log(log, "Neutron"))
	if err != nil {
		return nil, err
	}
	h, err := front.New(ctx, front.Options{
		API: calls, Upstream: upstream, PassOn: o.proxy, BaseURL: o.publicURL, TrustedProxies: trusted, Listen: listen, TLS: secure, Logger: log, Observe: observe,
	})
	if err != nil {
		return nil, fmt.Errorf("--neutron %q: %w", upstream.Redacted(), err)
	}
	log.Info("Neutron stands behind", "neutron", upstream.Redacted(), "proxy", o.proxy, "public_url", o.publicURL)
	return h, nil
}

// upstream is Neutron's own endpoint, or nil if there is none.
func (o *frontOptions) upstream() (*url.URL, error) {
	if o.neutron == "" {
		if o.proxy {
			return nil, errors.New("--proxy needs --neutron ([neutron] endpoint_override): the URL of Neutron's own endpoint, which is not what the catalog says once it names this server")
		}
		return nil, nil
	}
	u, err := url.Parse(o.neutron)
	if err != nil {
		return nil, fmt.Errorf("--neutron: %w", err)
	}
	return u, nil
}

// check says what is wrong with the options and their files. It asks nobody.
func (o *frontOptions) check() error {
	_, tlsErr := o.tls()
	upstream, err := o.upstream()
	errs := []error{tlsErr, err}
	if upstream != nil {
		if err := front.Check(upstream, o.publicURL); err != nil {
			errs = append(errs, fmt.Errorf("--neutron, --public-url: %w", err))
		}
	}
	return errors.Join(errs...)
}

// clean takes the slash from the end of the public URL, to which paths are added.
func (o *frontOptions) clean() error {
	if o.publicURL == "" {
		return nil
	}
	o.publicURL = strings.TrimRight(o.publicURL, "/")
	u, err := url.Parse(o.publicURL)
	if err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" || u.Scheme != "http" && u.Scheme != "https" {
		return fmt.Errorf("--public-url %q: it must look like https://cloud.example:9696", withoutPassword(o.publicURL))
	}
	return nil
}

// files are those of TLS towards Neutron.
func (o *frontOptions) files() pki.Files {
	return pki.Files{
		CA:          pki.File{Option: "--neutron-cafile", Path: o.cafile},
		Certificate: pki.File{Option: "--neutron-certfile", Path: o.certfile},
		Key:         pki.File{Option: "--neutron-keyfile", Path: o.keyfile},
	}
}

// tls is how Neutron is checked, and what it is shown.
func (o *frontOptions) tls() (*tls.Config, error) {
	c, err := o.files().Client()
	if err != nil {
		return nil, err
	}
	c.InsecureSkipVerify = o.insecure
	return c, nil
}
