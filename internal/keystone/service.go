package keystone

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"
)

const (
	// pauseAfterRefusal is how long nobody logs in again after Keystone refused to
	// let the service user in: it locks users out who try too often.
	pauseAfterRefusal = 5 * time.Second
	// pauseAfterFailure is how long nobody logs in again after it failed otherwise.
	pauseAfterFailure = time.Second
)

// session is the service user's token and where it is used.
type session struct {
	token    string
	endpoint string // with /v3
	renew    time.Time
	expires  time.Time
}

// service logs the service user in.
type service struct {
	k *Keystone

	mu      sync.Mutex
	current *session      // nil: not logged in
	flight  chan struct{} // closed when the login under way ends; nil: there is none
	err     error         // of the last login
	told    string        // the failure that is in the log; "": it goes well
	pause   time.Time     // until when nobody logs in, and err is the answer
}

// session is one that is valid; it logs in if there is none. A session that is
// near its end is renewed beside its use.
func (s *service) session(ctx context.Context) (*session, error) {
	for {
		s.mu.Lock()
		now := time.Now()
		have := s.current
		if have != nil && !now.Before(have.expires) {
			have = nil
		}
		if have != nil && now.Before(have.renew) {
			s.mu.Unlock()
			return have, nil
		}
		if now.Before(s.pause) {
			err := s.err
			s.mu.Unlock()
			if have != nil {
				return have, nil
			}
			return nil, err
		}
		flight := s.flight
		if flight == nil {
			flight = make(chan struct{})
			if !s.k.run(ctx, func(ctx context.Context) { s.login(ctx, flight) }) {
				s.mu.Unlock()
				return nil, errClosed
			}
			s.flight = flight
		}
		s.mu.Unlock()
		if have != nil {
			return have, nil
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-flight:
		}
		s.mu.Lock()
		have, err := s.current, s.err
		s.mu.Unlock()
		if have == nil && err != nil {
			return nil, err
		}
	}
}

// drop forgets a session whose token Keystone refused.
func (s *service) drop(old *session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.current != nil && s.current.token == old.token {
		s.current = nil
	}
}

// login logs in and ends the flight.
func (s *service) login(ctx context.Context, flight chan struct{}) {
	fresh, err := s.k.login(ctx)
	s.mu.Lock()
	defer s.mu.Unlock()
	defer close(flight)
	s.flight, s.err = nil, err
	if err == nil {
		s.current, s.pause = fresh, time.Time{}
		if s.told != "" {
			s.told = ""
			s.k.log.Info("the service user can log in again", "user", s.k.o.Login)
		}
		return
	}
	now := time.Now()
	if old := s.current; old != nil { // it goes on with what it has
		later := *old
		later.renew = now.Add(pauseAfterFailure)
		s.current = &later
	}
	status := statusOf(err)
	switch {
	case errors.As(err, new(*unreachable)): // which is told, and paused after, by whoever asked
		return
	case status >= 400 && status < 500 && status != http.StatusTooManyRequests:
		s.pause = now.Add(pauseAfterRefusal)
	default:
		s.pause = now.Add(pauseAfterFailure)
	}
	if text := err.Error(); text != s.told {
		s.told = text
		s.k.log.Error("the service user cannot log in to Keystone; tokens that are not in the cache are answered with 503",
			"user", s.k.o.Login, "auth_url", s.k.base, "error", err)
	}
}

type object = map[string]any

// login asks for a token of the service user.
func (k *Keystone) login(ctx context.Context) (*session, error) {
	body, err := json.Marshal(object{"auth": k.o.Login.auth()})
	if err != nil {
		return nil, err
	}
	began := time.Now()
	var a answer
	url := k.base + "/auth/tokens"
	if !k.byCatalog() {
		url += "?nocatalog=1"
	}
	header, err := k.do(ctx, "login of the service user", http.MethodPost, url, nil, body, &a)
	if err != nil {
		return nil, err
	}
	t, err := a.token()
	if err != nil {
		return nil, fmt.Errorf("login of the service user: %w", err)
	}
	s := &session{token: header.Get("X-Subject-Token"), endpoint: k.base, expires: t.identity.Expires}
	if !s.expires.After(time.Now()) {
		return nil, fmt.Errorf("login of the service user: its new token has expired at %s; do the clocks differ?", s.expires.Format(time.RFC3339))
	}
	if !wellFormed(s.token) {
		return nil, errors.New("login of the service user: the answer has no X-Subject-Token")
	}
	// After nine tenths of its life, so that there is time for a Keystone that is down for a while.
	s.renew = began.Add(s.expires.Sub(began) * 9 / 10)
	if k.byCatalog() {
		if s.endpoint = k.endpoint(&a); s.endpoint == "" {
			return nil, fmt.Errorf("the catalog has no identity endpoint of interface %q and region %q; "+
				"mend interface and region_name, or leave both out to use auth_url", k.o.Interface, k.o.Region)
		}
	}
	return s, nil
}

// byCatalog says whether the catalog knows where tokens are asked about.
func (k *Keystone) byCatalog() bool { return k.o.Interface != "" || k.o.Region != "" }

// endpoint is the one of the catalog that the options choose, or "".
func (k *Keystone) endpoint(a *answer) string {
	side := first(k.o.Interface, "internal")
	for _, s := range a.Token.Catalog {
		if s.Type != "identity" {
			continue
		}
		for _, e := range s.Endpoints {
			if e.Interface == side && (k.o.Region == "" || first(e.RegionID, e.Region) == k.o.Region) {
				return withV3(e.URL)
			}
		}
	}
	return ""
}

// auth is the body of a login (Identity API v3).
func (l Login) auth() object {
	ref := func(id, name string, domain object) object {
		if id != "" {
			return object{"id": id}
		}
		o := object{"name": name}
		if domain != nil {
			o["domain"] = domain
		}
		return o
	}
	domain := func(id, name string) object {
		if id == "" && name == "" {
			return nil
		}
		return ref(id, name, nil)
	}
	user := ref(l.UserID, l.User, domain(l.UserDomainID, l.UserDomain))
	if l.byApplicationCredential() {
		credential := object{"secret": l.AppSecret}
		if l.ApplicationCredentialID != "" {
			credential["id"] = l.ApplicationCredentialID
		} else {
			credential["name"], credential["user"] = l.ApplicationCredential, user
		}
		return object{"identity": object{"methods": []string{"application_credential"}, "application_credential": credential}}
	}
	user["password"] = l.Password
	auth := object{"identity": object{"methods": []string{"password"}, "password": object{"user": user}}}
	switch {
	case l.Project != "" || l.ProjectID != "":
		auth["scope"] = object{"project": ref(l.ProjectID, l.Project, domain(l.ProjectDomainID, l.ProjectDomain))}
	case l.Domain != "" || l.DomainID != "":
		auth["scope"] = object{"domain": ref(l.DomainID, l.Domain, nil)}
	case l.System != "":
		auth["scope"] = object{"system": object{"all": true}}
	}
	return auth
}
