package keystone

import (
	"context"
	"crypto/sha256"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"l2gw"
)

const (
	// maxToken is the longest token that Keystone is asked about, in bytes: fernet
	// tokens have some 200 to 300, signed ones (JWS) up to 1,000, and those of users with
	// hundreds of federated groups some thousand.
	maxToken = 8192

	cached   = 10_000           // tokens that are kept
	parallel = 16               // requests to Keystone at the same time
	waiting  = 5_000            // tokens that may wait for their turn
	patience = 20 * time.Second // of one token, with its turn and all tries

	// refusalTime is how long it is known that a token is not valid. It is short,
	// as a token may be known to one Keystone of several before the others.
	refusalTime = 5 * time.Second

	// awayTime is how long Keystone is not asked after it could not be reached:
	// so long everybody is answered at once.
	awayTime = time.Second
)

// Keystone validates tokens. Any goroutine may call its methods.
type Keystone struct {
	// Immutable after New.
	o       Options
	base    string // auth_url with /v3
	client  *http.Client
	log     *slog.Logger
	service *service
	tokens  *cache[digest, *token]
	refused *cache[question, error]
	turns   chan struct{} // one is taken while Keystone is asked

	mu        sync.Mutex
	flights   map[question]*flight
	gone      error     // why Keystone could not be reached when it was last asked; nil: it could
	since     time.Time // of gone
	complaint string    // about the service user, as it is in the log
	closed    bool
	running   sync.WaitGroup
	stop      chan struct{}
}

// question is what Keystone is asked about a token.
type question struct {
	token   digest
	expired bool // may it be
}

// flight is a question under way. Its result is there when done is closed.
type flight struct {
	done  chan struct{}
	token *token
	err   error
}

// New returns a Keystone. It asks nothing yet, so that a server starts while
// Keystone is down. The error says what is wrong with an option.
func New(o Options) (*Keystone, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	if o.CacheTime == 0 {
		o.CacheTime = 300 * time.Second
	}
	if o.Timeout <= 0 {
		o.Timeout = 10 * time.Second
	}
	if o.ServiceType == "" {
		o.ServiceType = "network"
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	if o.Observe == nil {
		o.Observe = func(Result, time.Duration) {}
	}
	client, err := newClient(o)
	if err != nil {
		return nil, err
	}
	k := &Keystone{
		o: o, base: withV3(o.AuthURL), client: client, log: o.Logger,
		tokens: newCache[digest, *token](cached), refused: newCache[question, error](cached),
		turns: make(chan struct{}, parallel), flights: map[question]*flight{}, stop: make(chan struct{}),
	}
	k.service = &service{k: k}
	return k, nil
}

// Close ends what is under way. Requests that wait fail with Unavailable.
func (k *Keystone) Close() {
	k.mu.Lock()
	if !k.closed {
		k.closed = true
		close(k.stop)
	}
	k.mu.Unlock()
	k.running.Wait()
	k.client.CloseIdleConnections()
}

// Challenge is the header WWW-Authenticate of a 401.
func (k *Keystone) Challenge() string {
	return `Keystone uri="` + strings.TrimRight(first(k.o.WWWAuthenticateURI, k.o.AuthURL), "/") + `"`
}

// Check logs the service user in, so that what is wrong with it is in the log
// before the first request comes.
func (k *Keystone) Check(ctx context.Context) error {
	_, err := k.service.session(ctx)
	k.reached(err)
	return err
}

// Authenticate says who makes a request, by its X-Auth-Token, and on which
// service's way it came, by its X-Service-Token. Errors: Unauthorized, also if a
// service's token is not valid; Unavailable if Keystone cannot be asked.
//
// It does not change the request: who reads identity headers of it believes the caller.
func (k *Keystone) Authenticate(r *http.Request) (Identity, error) {
	user, service := r.Header.Values("X-Auth-Token"), r.Header.Values("X-Service-Token")
	switch {
	case len(user) == 0:
		return Identity{}, unauthenticated("there is no X-Auth-Token")
	case len(user) > 1 || len(service) > 1:
		return Identity{}, unauthenticated("there is more than one token of a kind")
	}
	var byService *Identity
	expired := false
	if len(service) == 1 {
		t, err := k.validate(r.Context(), service[0], false)
		if err != nil {
			return Identity{}, err
		}
		may := slices.ContainsFunc(t.identity.Roles, func(role string) bool { return slices.Contains(k.o.ServiceRoles, role) })
		switch {
		case t.bound(k.o.Bind):
			return Identity{}, unauthenticated("the service's token is bound")
		case !may && k.o.ServiceRolesRequired:
			return Identity{}, unauthenticated("the service's token has none of the roles " + strings.Join(k.o.ServiceRoles, ", "))
		}
		id := t.identity
		byService, expired = &id, may
	}
	t, err := k.validate(r.Context(), user[0], expired)
	switch {
	case err != nil:
		return Identity{}, err
	case !t.allows(r, k.o.ServiceType, byService != nil):
		return Identity{}, unauthenticated("no access rule of the application credential allows this request")
	case byService == nil && t.bound(k.o.Bind):
		return Identity{}, unauthenticated("the token is bound")
	}
	id := t.identity
	id.Roles = slices.Clone(id.Roles)
	id.Service = byService
	return id, nil
}

// wellFormed says whether text can be a token: such a header value as no other
// header or request can be made of, and no longer than tokens are.
func wellFormed(text string) bool {
	if text == "" || len(text) > maxToken {
		return false
	}
	for i := range len(text) {
		if text[i] <= ' ' || text[i] >= 0x7f {
			return false
		}
	}
	return true
}

// validate is what Keystone says of a token, now or within the cache's time.
func (k *Keystone) validate(ctx context.Context, text string, expired bool) (*token, error) {
	text = strings.TrimSpace(text)
	if !wellFormed(text) {
		return nil, unauthenticated("the token is malformed")
	}
	q := question{sha256.Sum256([]byte(text)), expired}
	now := time.Now()
	t, ok := k.tokens.get(q.token, now)
	if !ok {
		if err, ok := k.refused.get(q, now); ok {
			k.o.Observe(ResultCached, 0)
			return nil, err
		}
		var err error
		if t, err = k.ask(ctx, q, text); err != nil {
			return nil, err
		}
		now = time.Now()
	} else {
		k.o.Observe(ResultCached, 0)
	}
	if !expired && !now.Before(t.identity.Expires) {
		return nil, unauthenticated("the token has expired")
	}
	return t, nil
}

// ask asks Keystone, once for all who ask the same at the same time. That one of
// them goes away does not matter to the others.
func (k *Keystone) ask(ctx context.Context, q question, text string) (*token, error) {
	k.mu.Lock()
	f := k.flights[q]
	if f == nil {
		if k.gone != nil && time.Since(k.since) < awayTime {
			err := k.gone
			k.mu.Unlock()
			k.o.Observe(ResultUnavailable, 0)
			return nil, unavailable(errors.Join(errAway, err))
		}
		if len(k.flights) >= waiting {
			k.mu.Unlock()
			k.o.Observe(ResultUnavailable, 0)
			return nil, unavailable(errBusy)
		}
		f = &flight{done: make(chan struct{})}
		k.flights[q] = f
		k.mu.Unlock()
		if !k.run(ctx, func(ctx context.Context) { k.fly(ctx, f, q, text) }) {
			k.land(f, q, nil, unavailable(errClosed))
		}
	} else {
		k.mu.Unlock()
	}
	select {
	case <-ctx.Done():
		return nil, unavailable(ctx.Err())
	case <-f.done:
		return f.token, f.err
	}
}

// run does something beside the request that wants it, and for others as well;
// false if the Keystone is closed.
func (k *Keystone) run(ctx context.Context, do func(context.Context)) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.closed {
		return false
	}
	k.running.Go(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
		defer cancel()
		ended := make(chan struct{})
		defer close(ended)
		k.running.Go(func() {
			select {
			case <-k.stop:
				cancel()
			case <-ended:
			}
		})
		do(ctx)
	})
	return true
}

func (k *Keystone) fly(ctx context.Context, f *flight, q question, text string) {
	var t *token
	var err error
	began := time.Now()
	select {
	case <-ctx.Done():
		err = errBusy
	case k.turns <- struct{}{}:
		t, err = k.fetch(ctx, text, q.expired)
		<-k.turns
	}
	k.reached(err)
	now, result := time.Now(), ResultValid
	switch {
	case err == nil:
		if k.o.CacheTime > 0 {
			until := now.Add(k.o.CacheTime)
			if !q.expired && t.identity.Expires.Before(until) {
				until = t.identity.Expires
			}
			k.tokens.put(q.token, t, until)
		}
	case l2gw.ErrorCode(err) == l2gw.Unauthorized:
		result = ResultRefused
		if k.o.CacheTime > 0 {
			k.refused.put(q, err, now.Add(min(refusalTime, k.o.CacheTime)))
		}
	default:
		result, err = ResultUnavailable, unavailable(err)
	}
	k.o.Observe(result, max(now.Sub(began), 1))
	k.land(f, q, t, err)
}

func (k *Keystone) land(f *flight, q question, t *token, err error) {
	f.token, f.err = t, err
	k.mu.Lock()
	delete(k.flights, q)
	k.mu.Unlock()
	close(f.done)
}

// reached notes whether Keystone answers, and tells when that changes.
func (k *Keystone) reached(err error) {
	var gone *unreachable
	away := errors.As(err, &gone)
	if !away && err != nil && statusOf(err) == 0 && l2gw.ErrorCode(err) == l2gw.Internal {
		return // nothing was asked
	}
	k.mu.Lock()
	before := k.gone
	if k.gone = nil; away {
		k.gone, k.since = gone, time.Now()
	}
	closed := k.closed
	k.mu.Unlock()
	switch {
	case closed:
	case away && before == nil:
		k.log.Error("Keystone does not answer; tokens that are not in the cache are answered with 503", "auth_url", k.base, "error", gone)
	case !away && before != nil:
		k.log.Info("Keystone answers again", "auth_url", k.base)
	}
}

// complain tells what is wrong with the service user, once; "": nothing any more.
func (k *Keystone) complain(text string) {
	k.mu.Lock()
	before := k.complaint
	k.complaint = text
	k.mu.Unlock()
	if text != "" && text != before {
		k.log.Error(text+"; tokens that are not in the cache are answered with 503", "user", k.o.Login)
	}
}

// fetch asks Keystone about a token. Errors: Unauthorized if it is not valid; any
// other if that cannot be told.
func (k *Keystone) fetch(ctx context.Context, text string, expired bool) (*token, error) {
	query := "?nocatalog=1"
	if expired {
		query += "&allow_expired=1"
	}
	for again := false; ; again = true {
		s, err := k.service.session(ctx)
		if err != nil {
			return nil, err
		}
		var a answer
		_, err = k.do(ctx, "validation of a token", http.MethodGet, s.endpoint+"/auth/tokens"+query, http.Header{
			"X-Auth-Token": {s.token}, "X-Subject-Token": {text},
			// Without it Keystone refuses tokens with access rules (keystonemiddleware's _identity.py).
			"Openstack-Identity-Access-Rules": {"1.0"},
		}, nil, &a)
		switch statusOf(err) {
		case http.StatusNotFound, http.StatusBadRequest, http.StatusRequestHeaderFieldsTooLarge:
			return nil, unauthenticated("Keystone does not know the token")
		case http.StatusUnauthorized:
			// The service user's own token ended before its time.
			k.service.drop(s)
			if !again {
				continue
			}
			k.complain("Keystone refuses the service user's new token")
		case http.StatusForbidden:
			k.complain("Keystone does not let the service user validate tokens: give it the role service in its project")
		case 0:
			if err == nil {
				k.complain("")
			}
		}
		if err != nil {
			return nil, err
		}
		t, err := a.token()
		if err == nil && !expired && !time.Now().Before(t.identity.Expires) {
			return nil, unauthenticated("the token has expired")
		}
		return t, err
	}
}
