package keystone

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"l2gw"
	"l2gw/internal/pki"
)

// maxAnswer bounds what is read of an answer: catalogs are long, but not endless.
const maxAnswer = 4 << 20

// files are those of TLS towards Keystone. One file may have the certificate and its key.
func (o Options) files() pki.Files {
	return pki.Files{
		CA:          pki.File{Option: "cafile", Path: o.CA},
		Certificate: pki.File{Option: "certfile", Path: o.Certificate},
		Key:         pki.File{Option: "keyfile", Path: first(o.Key, o.Certificate)},
	}
}

// newClient is an HTTP client for Keystone. It follows no redirect, as the
// service user's token would go to wherever that leads.
func newClient(o Options) (*http.Client, error) {
	files := o.files()
	secure, err := pki.Follow(files.Given(), func() (*tls.Config, error) {
		c, err := files.Client()
		if err != nil {
			return nil, err
		}
		c.InsecureSkipVerify = o.Insecure
		return c, nil
	}, pki.Log(o.Logger, "Keystone"))
	if err != nil {
		return nil, err
	}
	return &http.Client{
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: pki.NewTransport(&http.Transport{
			Proxy:                 http.ProxyFromEnvironment,
			DialContext:           (&net.Dialer{Timeout: min(o.Timeout, 5*time.Second)}).DialContext,
			TLSHandshakeTimeout:   o.Timeout,
			ResponseHeaderTimeout: o.Timeout,
			MaxIdleConnsPerHost:   parallel,
			MaxConnsPerHost:       parallel + 2, // logins do not wait for validations
			IdleConnTimeout:       90 * time.Second,
			ForceAttemptHTTP2:     true,
		}, secure),
	}, nil
}

// withV3 is an identity endpoint with the version at its end.
func withV3(endpoint string) string {
	endpoint = strings.TrimRight(endpoint, "/")
	endpoint = strings.TrimSuffix(strings.TrimSuffix(endpoint, "/v2.0"), "/v3")
	return strings.TrimRight(endpoint, "/") + "/v3"
}

// do makes a request, again if it did not reach Keystone, and reads an answer of
// status 2xx. Everything else is a *statusError or an *unreachable.
func (k *Keystone) do(ctx context.Context, what, method, url string, header http.Header, body []byte, out any) (http.Header, error) {
	pause := 100 * time.Millisecond
	for try := 0; ; try++ {
		h, err := k.try(ctx, what, method, url, header, body, out)
		var gone *unreachable
		if !errors.As(err, &gone) || try >= k.o.Retries || ctx.Err() != nil {
			return h, err
		}
		timer := time.NewTimer(pause)
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil, err
		case <-timer.C:
		}
		pause = min(2*pause, 2*time.Second)
	}
}

func (k *Keystone) try(ctx context.Context, what, method, address string, header http.Header, body []byte, out any) (http.Header, error) {
	ctx, cancel := context.WithTimeout(ctx, k.o.Timeout)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, method, address, bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	if body == nil {
		r.Body, r.GetBody = http.NoBody, nil
	} else {
		r.Header.Set("Content-Type", "application/json")
	}
	for name, values := range header {
		r.Header[name] = values
	}
	r.Header.Set("Accept", "application/json")
	r.Header.Set("User-Agent", "l2gw")
	if id := l2gw.RequestOf(ctx); id != "" {
		r.Header.Set("X-Openstack-Request-Id", id)
	}
	a, err := k.client.Do(r)
	if err != nil {
		if e, ok := errors.AsType[*url.Error](err); ok {
			err = e.Err
		}
		return nil, &unreachable{fmt.Errorf("%s at %s: %w", what, r.URL.Host, err)}
	}
	defer a.Body.Close()
	b, err := io.ReadAll(io.LimitReader(a.Body, maxAnswer+1))
	if a.StatusCode < 200 || a.StatusCode > 299 {
		return nil, &statusError{what, a.StatusCode, a.Header.Get("Location")}
	}
	if err != nil {
		return nil, &unreachable{fmt.Errorf("%s: the answer ends before its end: %w", what, err)}
	}
	if len(b) > maxAnswer {
		return nil, fmt.Errorf("%s: the answer is longer than %d bytes", what, maxAnswer)
	}
	if err := json.Unmarshal(b, out); err != nil {
		return nil, fmt.Errorf("%s: the answer is not what Keystone says: %s", what, shape(err))
	}
	return a.Header, nil
}

// shape is an error of JSON without the values it is about.
func shape(err error) string {
	if e, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return "wrong type at " + e.Field
	}
	return "no JSON"
}
