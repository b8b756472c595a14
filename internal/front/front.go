package front

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"time"

	"github.com/google/uuid"

	"l2gw/internal/api"
	"l2gw/internal/pki"
)

// Options are what a front is made of.
type Options struct {
	API      http.Handler // answers what is ours
	Upstream *url.URL     // Neutron's own endpoint, not what the catalog says: "http://10.0.0.5:9696"
	// PassOn makes it a reverse proxy. Without, only the list of extensions is put
	// together with Neutron's, for a load balancer that sends that list's requests here.
	PassOn bool
	// BaseURL is how clients reach us: "https://cloud.example:9696". "": as the request says.
	BaseURL string
	// TrustedProxies are load balancers before us, as in api.Options.
	TrustedProxies api.Proxies
	Listen         net.Addr                   // where we listen; nil: nowhere yet
	TLS            *pki.Followed[*tls.Config] // towards Neutron; nil: the system's authorities
	Logger         *slog.Logger               // nil: slog.Default
	Observe        func(api.Request)          // as in api.Options, for what is not answered by API; nil: nobody
	Patience       time.Duration              // how long Neutron may take for an answer; 0: five minutes
	Idle           time.Duration              // how long nothing may move in a body; 0: a minute
}

// pseudonym begins our name in Via (RFC 9110 §7.6.3).
const pseudonym = "l2gw-"

// front is immutable after New.
type front struct {
	Options
	base   *url.URL // of BaseURL; nil: none
	name   string   // in Via
	proxy  *httputil.ReverseProxy
	reads  http.RoundTripper
	writes http.RoundTripper
	ours   map[string]bool // extensions
	merge  map[side]func(*joint) error
}

// New returns the API with Neutron behind it. It fails if Upstream is no http or
// https URL, and with [ErrLoop] if it leads to ourselves. Whether Neutron answers
// is not asked: it may come up later.
func New(ctx context.Context, o Options) (http.Handler, error) {
	o.Patience, o.Idle = cmp.Or(o.Patience, 5*time.Minute), cmp.Or(o.Idle, time.Minute)
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	if o.Observe == nil {
		o.Observe = func(api.Request) {}
	}
	f := &front{Options: o, name: pseudonym + uuid.NewString(), ours: map[string]bool{}}
	if err := f.parse(); err != nil {
		return nil, err
	}
	if err := f.notOurselves(ctx); err != nil {
		return nil, err
	}
	for _, alias := range api.ExtensionAliases() {
		f.ours[alias] = true
	}
	read := f.newTransport()
	write := read.Clone()
	write.DisableKeepAlives = true
	f.reads, f.writes = read, write
	if f.TLS != nil {
		f.reads, f.writes = pki.NewTransport(read, f.TLS), pki.NewTransport(write, f.TLS)
	}
	f.proxy = f.newProxy()
	f.merge = map[side]func(*joint) error{extensions: (*joint).listExtensions}
	if o.PassOn {
		f.merge[root] = (*joint).listCollections
		f.merge[quotas] = (*joint).listQuotas
		f.merge[quota] = (*joint).serveQuota
		f.merge[quotaPart] = (*joint).showQuota
	}
	return f, nil
}

// parse reads the URLs.
func (f *front) parse() error {
	if f.Upstream == nil || f.Upstream.Host == "" || f.Upstream.Scheme != "http" && f.Upstream.Scheme != "https" {
		return fmt.Errorf("neutron's endpoint %q: it must look like http://10.0.0.5:9696 or https://neutron.example:9696", f.Upstream)
	}
	up := *f.Upstream
	up.Path = strings.TrimRight(strings.TrimSuffix(strings.TrimRight(up.Path, "/"), "/v2.0"), "/")
	up.RawPath, up.RawQuery, up.Fragment = "", "", ""
	f.Upstream = &up
	if f.BaseURL == "" {
		return nil
	}
	base, err := url.Parse(strings.TrimRight(f.BaseURL, "/"))
	if err != nil || base.Host == "" || base.Scheme != "http" && base.Scheme != "https" {
		return fmt.Errorf("public URL %q: it must look like https://cloud.example:9696", f.BaseURL)
	}
	f.base = base
	return nil
}

// Check says what New would find wrong with Neutron's endpoint and the public URL
// ("": none) before it asks anybody.
func Check(upstream *url.URL, baseURL string) error {
	return (&front{Options: Options{Upstream: upstream, BaseURL: baseURL}}).parse()
}

func (f *front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	who, name := place(r.URL.Path)
	switch {
	case !strings.HasPrefix(r.RequestURI, "/") || r.URL.Host != "" || r.URL.Scheme != "":
		f.observed("other", w, r, func(w http.ResponseWriter, whole *api.Part) { refuse(w, whole.ID, errTarget) })
		return
	case who == nowhere:
		f.observed("other", w, r, func(w http.ResponseWriter, whole *api.Part) { refuse(w, whole.ID, errNowhere) })
		return
	case who == ours || who == extension && f.ours[name]:
		f.API.ServeHTTP(w, r)
		return
	}
	merge := f.merge[who]
	if r.Method != http.MethodGet && who != quota {
		merge = nil
	}
	switch {
	case merge == nil && !f.PassOn:
		f.API.ServeHTTP(w, r)
	case looped(r.Header):
		f.observed("neutron", w, r, func(w http.ResponseWriter, whole *api.Part) { refuse(w, whole.ID, errLoop) })
	case merge == nil:
		f.observed("neutron", w, r, func(w http.ResponseWriter, whole *api.Part) { f.pass(w, r, whole.ID) })
	default:
		f.observed(routes[who], w, r, func(w http.ResponseWriter, whole *api.Part) {
			w, r, _ = f.unhurried(w, r)
			if err := merge(&joint{f, w, r, whole, name}); err != nil {
				f.fail(w, r, whole.ID, err)
			}
		})
	}
}

// routes are what measurements call the paths that are put together.
var routes = map[side]string{
	extensions: "/v2.0/extensions", root: "/v2.0", quotas: "/v2.0/quotas", quota: "/v2.0/quotas/{id}", quotaPart: "/v2.0/quotas/{id}/{part}",
}

// fail answers with err, and logs it if it is no refusal of a side's.
func (f *front) fail(w http.ResponseWriter, r *http.Request, id string, err error) {
	if r.Context().Err() != nil {
		w.WriteHeader(api.StatusClientLeft)
		return
	}
	if a := refusedBy(err); a != nil {
		a.relay(w)
		return
	}
	if known, ok := errors.AsType[*refusal](err); ok && known.status < 500 {
		refuse(w, id, err)
		return
	}
	f.warn(r, id, "request not answered by Neutron", err)
	refuse(w, id, err)
}

// warn tells of what went wrong with a request at Neutron.
func (f *front) warn(r *http.Request, id, what string, err error) {
	attrs := []any{"error", err, "method", api.Loggable(r.Method), "path", api.Loggable(r.URL.Path), "request_id", id}
	if b, ok := errors.AsType[*because](err); ok {
		attrs = append(attrs, "cause", b.cause)
	}
	f.Logger.WarnContext(r.Context(), what, attrs...)
}
