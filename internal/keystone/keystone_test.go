package keystone_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"l2gw"
	"l2gw/internal/keystone"
	"l2gw/internal/oslo"
	real "l2gw/test/keystone"
)

func TestMain(m *testing.M) {
	code := real.Main{M: m}.Run()
	if code == 0 {
		if err := goleak.Find(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}

// patience is how long a test waits for what should take no time.
const patience = 30 * time.Second

// logs is what was logged. Any goroutine may write.
type logs struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logs) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(b)
}

func (l *logs) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// world is a real Keystone with a door, and what is tested behind it.
type world struct {
	t    *testing.T
	real *real.Server
	door *real.Door
	k    *keystone.Keystone
	logs *logs
}

// newWorld makes one whose section keystone_authtoken has more lines.
func newWorld(t *testing.T, more ...string) *world {
	t.Helper()
	s := real.Shared(t)
	return newWorldOf(t, s, s.Door(t, false), s.Service(), more...)
}

func newWorldOf(t *testing.T, s *real.Server, d *real.Door, c real.Credentials, more ...string) *world {
	t.Helper()
	o, _, err := read(t, s.AuthToken(c, d.URL(), more...))
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, real: s, door: d, logs: &logs{}}
	o.Logger = slog.New(slog.NewTextHandler(w.logs, &slog.HandlerOptions{Level: slog.LevelDebug}))
	if w.k, err = keystone.New(o); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		w.k.Close()
		for _, secret := range s.Secrets() {
			if strings.Contains(w.logs.String(), secret) {
				t.Errorf("a token or password is in the log:\n%s", w.logs)
			}
		}
	})
	return w
}

// read reads options from an ini file.
func read(t *testing.T, text string) (keystone.Options, []string, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "l2gw.ini")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := oslo.Load([]string{path}, nil)
	if err != nil {
		t.Fatal(err)
	}
	o, notes, err := keystone.Read(c)
	return o, notes, errors.Join(err, c.Err())
}

// ask authenticates a request with these headers: name, value, ….
func (w *world) ask(headers ...string) (keystone.Identity, error) {
	return w.askFor("GET", "/v2.0/l2-gateways", headers...)
}

func (w *world) askFor(method, path string, headers ...string) (keystone.Identity, error) {
	w.t.Helper()
	r := httptest.NewRequestWithContext(w.t.Context(), method, path, nil)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	id, err := w.k.Authenticate(r)
	if err != nil {
		text := fmt.Sprintf("%v %#v %v", err, err, errors.Unwrap(err))
		for _, secret := range w.real.Secrets() {
			if strings.Contains(text, secret) {
				w.t.Errorf("a token or password is in the error: %s", text)
			}
		}
	}
	return id, err
}

// is asserts how a request is answered.
func (w *world) is(what string, want l2gw.Code, headers ...string) {
	w.t.Helper()
	if _, err := w.ask(headers...); l2gw.ErrorCode(err) != want {
		w.t.Errorf("%s: %q (%v, %v), want %q", what, l2gw.ErrorCode(err), err, errors.Unwrap(err), want)
	}
}

// becomes waits until a request is answered like this.
func (w *world) becomes(what string, want l2gw.Code, headers ...string) {
	w.t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
		_, err := w.ask(headers...)
		if l2gw.ErrorCode(err) == want {
			return
		}
		if time.Now().After(deadline) {
			w.t.Fatalf("%s: still %v (%v)", what, err, errors.Unwrap(err))
		}
	}
}

func (w *world) logged(want string) {
	w.t.Helper()
	for deadline := time.Now().Add(patience); !strings.Contains(w.logs.String(), want); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			w.t.Fatalf("the log does not say %q:\n%s", want, w.logs)
		}
	}
}

const ok = l2gw.Code("")

func TestATokenTellsWhoItsUserIs(t *testing.T) {
	w := newWorld(t)
	alice := w.real.User(t, "alice", "alices", "member", "reader")
	id, err := w.ask("X-Auth-Token", w.real.Token(t, alice))
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(id.Roles)
	if id.UserID != alice.UserID || id.UserName != "alice" || id.UserDomainID != "default" || id.UserDomainName != "Default" ||
		id.ProjectID != alice.ProjectID || id.ProjectName != "alices" || id.ProjectDomainID != "default" ||
		!slices.Equal(id.Roles, []string{"member", "reader"}) || id.System != "" || id.DomainID != "" || id.NotAdminProject || id.Service != nil {
		t.Errorf("%+v", id)
	}
	if left := time.Until(id.Expires); left < 50*time.Minute || left > 61*time.Minute {
		t.Errorf("it expires in %v", left)
	}

	// What the request says itself is not believed, and no token can be had by it.
	id, err = w.ask("X-Auth-Token", w.real.Token(t, alice), "X-Roles", "admin", "X-User-Id", "root", "X-Project-Id", "other", "X-Identity-Status", "Confirmed")
	if err != nil || slices.Contains(id.Roles, "admin") || id.UserID != alice.UserID || id.ProjectID != alice.ProjectID {
		t.Errorf("headers were believed: %+v, %v", id, err)
	}
	w.is("headers without a token", l2gw.Unauthorized, "X-Roles", "admin", "X-User-Id", alice.UserID, "X-Identity-Status", "Confirmed")
}

func TestATokenMayBeOfTheSystemOrOfADomain(t *testing.T) {
	w := newWorld(t)
	admin := w.real.Admin()
	admin.System = true
	id, err := w.ask("X-Auth-Token", w.real.Token(t, admin))
	if err != nil || id.System != "all" || id.ProjectID != "" || !slices.Contains(id.Roles, "admin") {
		t.Errorf("system: %+v, %v", id, err)
	}
	dora := w.real.User(t, "dora", "doras", "member")
	w.real.GrantDomain(t, dora, "reader")
	dora.Domain = true
	id, err = w.ask("X-Auth-Token", w.real.Token(t, dora))
	if err != nil || id.DomainID != "default" || id.DomainName != "Default" || id.ProjectID != "" || !slices.Equal(id.Roles, []string{"reader"}) {
		t.Errorf("domain: %+v, %v", id, err)
	}
	// Without a scope there are no roles.
	unscoped := w.real.User(t, "una", "unas", "admin")
	unscoped.Project = ""
	id, err = w.ask("X-Auth-Token", w.real.Token(t, unscoped))
	if err != nil || id.ProjectID != "" || len(id.Roles) != 0 {
		t.Errorf("unscoped: %+v, %v", id, err)
	}
}

func TestWhatIsNoTokenNeverReachesKeystone(t *testing.T) {
	w := newWorld(t)
	for name, token := range map[string]string{
		"empty": "", "blank": "  ", "newline": "abc\ndef", "carriage return": "abc\r\nX-Roles: admin", "NUL": "a\x00b", "not ASCII": "tökén", "DEL": "a\x7fb",
		"two words": "abc def", "huge": strings.Repeat("x", 8193),
	} {
		if _, err := w.ask("X-Auth-Token", token); l2gw.ErrorCode(err) != l2gw.Unauthorized {
			t.Errorf("%s: %v", name, err)
		}
	}
	w.is("none", l2gw.Unauthorized)
	w.is("two", l2gw.Unauthorized, "X-Auth-Token", w.real.Token(t, w.real.Admin()), "X-Auth-Token", "x")
	w.is("malformed service token", l2gw.Unauthorized, "X-Auth-Token", w.real.Token(t, w.real.Admin()), "X-Service-Token", "a b")
	if n := len(w.door.Requests()); n != 0 {
		t.Errorf("Keystone was asked %d times", n)
	}
	w.is("unknown", l2gw.Unauthorized, "X-Auth-Token", "gAAAAABnothing")
	w.is("the longest", l2gw.Unauthorized, "X-Auth-Token", strings.Repeat("x", 8192))
	w.is("with space around", ok, "X-Auth-Token", " "+w.real.Token(t, w.real.Admin())+"\t")
}

func TestKeystoneIsAskedOnceInTheCachesTime(t *testing.T) {
	w := newWorld(t)
	token := w.real.Token(t, w.real.User(t, "carol", "carols", "member"))
	var all sync.WaitGroup
	for range 100 {
		all.Go(func() { w.is("one of a hundred", ok, "X-Auth-Token", token) })
	}
	all.Wait()
	w.is("later", ok, "X-Auth-Token", token)
	if n := w.door.Validations(); n != 1 {
		t.Errorf("Keystone was asked %d times", n)
	}
	for range 5 {
		w.is("unknown", l2gw.Unauthorized, "X-Auth-Token", "unknown")
	}
	if n := w.door.Validations(); n != 2 {
		t.Errorf("and about a token that is not valid %d times", n-1)
	}
}

func TestARevokedTokenIsRefusedAfterTheCachesTimeAtTheLatest(t *testing.T) {
	w := newWorld(t, "token_cache_time = 1")
	token := w.real.Token(t, w.real.User(t, "rita", "ritas", "member"))
	w.is("valid", ok, "X-Auth-Token", token)
	w.real.Revoke(t, token)
	w.becomes("revoked", l2gw.Unauthorized, "X-Auth-Token", token)

	uncached := newWorld(t, "token_cache_time = -1")
	user := uncached.real.User(t, "uma", "umas", "member")
	revoked, disabled := uncached.real.Token(t, user), uncached.real.Token(t, user)
	uncached.is("valid", ok, "X-Auth-Token", revoked)
	uncached.real.Revoke(t, revoked)
	uncached.is("revoked, without a cache", l2gw.Unauthorized, "X-Auth-Token", revoked)
	uncached.is("another token of the same user", ok, "X-Auth-Token", disabled)
	uncached.real.Disable(t, user)
	uncached.is("a disabled user's", l2gw.Unauthorized, "X-Auth-Token", disabled)
}

func TestAnExpiredTokenIsRefusedAtOnce(t *testing.T) {
	w := newWorld(t)
	var token string
	var id keystone.Identity
	for life := 2 * time.Second; ; life *= 2 { // a busy machine needs longer
		began := time.Now()
		token = w.real.TokenFor(t, w.real.User(t, "xena", "xenas", "member"), life)
		var err error
		if id, err = w.ask("X-Auth-Token", token); err == nil {
			break
		}
		if took := time.Since(began); took < life-time.Second {
			t.Fatalf("a token of %v is refused after %v: %v", life, took, err)
		}
	}
	for time.Now().Before(id.Expires) {
		if _, err := w.ask("X-Auth-Token", token); err != nil && time.Now().Before(id.Expires) {
			t.Fatalf("refused before its time: %v", err)
		}
		time.Sleep(10 * time.Millisecond)
	}
	w.is("expired", l2gw.Unauthorized, "X-Auth-Token", token)

	// A service that works for the user may go on with it, one that is none may not.
	service := w.real.Token(t, w.real.User(t, "nova", "service", "service"))
	w.is("a service's way", ok, "X-Auth-Token", token, "X-Service-Token", service)
	w.is("its user alone, again", l2gw.Unauthorized, "X-Auth-Token", token)
	other := w.real.Token(t, w.real.User(t, "mallory", "mallorys", "member"))
	w.is("the way of somebody else", l2gw.Unauthorized, "X-Auth-Token", token, "X-Service-Token", other)
}

func TestAServicesTokenIsToldBesideTheUsers(t *testing.T) {
	w := newWorld(t)
	nova := w.real.User(t, "nova-2", "service", "service")
	user, service := w.real.Token(t, w.real.User(t, "sue", "sues", "member")), w.real.Token(t, nova)
	id, err := w.ask("X-Auth-Token", user, "X-Service-Token", service)
	if err != nil || id.Service == nil || id.Service.UserID != nova.UserID || !slices.Equal(id.Service.Roles, []string{"service"}) || id.UserName != "sue" {
		t.Errorf("%+v, %v", id, err)
	}
	w.is("a service token that is not valid", l2gw.Unauthorized, "X-Auth-Token", user, "X-Service-Token", "unknown")
	w.is("a user's as service token", ok, "X-Auth-Token", user, "X-Service-Token", user)

	strict := newWorld(t, "service_token_roles_required = true")
	strict.is("a service's, where roles are required", ok, "X-Auth-Token", user, "X-Service-Token", service)
	strict.is("a user's, where roles are required", l2gw.Unauthorized, "X-Auth-Token", user, "X-Service-Token", user)
}

func TestAnApplicationCredentialMayDoWhatItsAccessRulesSay(t *testing.T) {
	w := newWorld(t)
	user := w.real.User(t, "appy", "appys", "member")
	all := w.real.Token(t, w.real.ApplicationCredential(t, user, "all"))
	some := w.real.Token(t, w.real.ApplicationCredential(t, user, "some",
		real.AccessRule{Service: "network", Method: "GET", Path: "/v2.0/l2-gateways/{id}"},
		real.AccessRule{Service: "network", Method: "POST", Path: "/v2.0/**"},
		real.AccessRule{Service: "compute", Method: "DELETE", Path: "/v2.0/l2-gateways/*"}))
	id, err := w.ask("X-Auth-Token", all)
	if err != nil || id.ApplicationCredential == "" || id.ProjectID != user.ProjectID {
		t.Errorf("without rules: %+v, %v", id, err)
	}
	for _, test := range []struct {
		method, path string
		want         l2gw.Code
	}{
		{"GET", "/v2.0/l2-gateways/1", ok},
		{"GET", "/v2.0/l2-gateways", l2gw.Unauthorized},
		{"GET", "/v2.0/l2-gateways/1/2", l2gw.Unauthorized},
		{"PUT", "/v2.0/l2-gateways/1", l2gw.Unauthorized},
		{"POST", "/v2.0/l2-gateways/1/2", ok},
		{"DELETE", "/v2.0/l2-gateways/1", l2gw.Unauthorized}, // another service's
	} {
		if _, err := w.askFor(test.method, test.path, "X-Auth-Token", some); l2gw.ErrorCode(err) != test.want {
			t.Errorf("%s %s: %v (%v), want %q", test.method, test.path, err, errors.Unwrap(err), test.want)
		}
	}
	service := w.real.Token(t, w.real.User(t, "nova-3", "service", "service"))
	if _, err := w.askFor("DELETE", "/v2.0/l2-gateways/1", "X-Auth-Token", some, "X-Service-Token", service); err != nil {
		t.Errorf("on a service's way: %v", err)
	}
}

func TestWhileKeystoneIsAwayCachedTokensGoOn(t *testing.T) {
	w := newWorld(t, "http_request_max_retries = 1")
	known, unknown := w.real.Token(t, w.real.Admin()), w.real.Token(t, w.real.User(t, "ken", "kens", "member"))
	w.is("known", ok, "X-Auth-Token", known)
	w.door.Close()
	w.is("new, while it is away", l2gw.Unavailable, "X-Auth-Token", unknown)
	w.is("known, while it is away", ok, "X-Auth-Token", known)
	began := time.Now()
	for range 100 {
		w.is("new, while it is away", l2gw.Unavailable, "X-Auth-Token", unknown)
	}
	if took := time.Since(began); took > patience {
		t.Errorf("a hundred refusals took %v", took)
	}
	w.logged("Keystone does not answer")
	w.door.Open()
	w.becomes("new, when it is back", ok, "X-Auth-Token", unknown)
	w.logged("Keystone answers again")
	if n := strings.Count(w.logs.String(), "Keystone does not answer"); n != 1 {
		t.Errorf("told %d times:\n%s", n, w.logs)
	}

	w.door.Break(func(rw http.ResponseWriter, _ *http.Request) { rw.WriteHeader(http.StatusInternalServerError) })
	later := w.real.Token(t, w.real.User(t, "ken", "kens", "member"))
	w.is("new, while it fails", l2gw.Unavailable, "X-Auth-Token", later)
	w.door.Break(func(rw http.ResponseWriter, _ *http.Request) {
		rw.Header().Set("Location", "https://elsewhere.example.org/v3")
		rw.WriteHeader(http.StatusMovedPermanently)
	})
	if _, err := w.ask("X-Auth-Token", later); !strings.Contains(fmt.Sprint(errors.Unwrap(err)), "elsewhere.example.org") {
		t.Errorf("a redirect: %v", errors.Unwrap(err))
	}
	w.door.Break(func(rw http.ResponseWriter, _ *http.Request) { rw.Write([]byte(`{"token": {"user": {"id": 5}}}`)) })
	w.is("new, while it talks nonsense", l2gw.Unavailable, "X-Auth-Token", later)
	w.door.Break(nil)
	w.is("new, when it is well", ok, "X-Auth-Token", later)
}

func TestARequestWhoseClientLeavesDoesNotFailTheOthers(t *testing.T) {
	w := newWorld(t)
	token := w.real.Token(t, w.real.Admin())
	if err := w.k.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	asked, answer := make(chan struct{}, 10), make(chan struct{})
	w.door.Break(func(rw http.ResponseWriter, r *http.Request) {
		asked <- struct{}{}
		<-answer
		rw.Write([]byte(`{"token": {"user": {"id": "u", "name": "n", "domain": {"id": "d"}}, "expires_at": "2999-01-01T00:00:00.000000Z", "roles": [{"name": "late"}]}}`))
	})
	ctx, leave := context.WithCancel(t.Context())
	first, second := make(chan error), make(chan error)
	try := func(ctx context.Context, done chan error) {
		r := httptest.NewRequestWithContext(ctx, "GET", "/", nil)
		r.Header.Set("X-Auth-Token", token)
		_, err := w.k.Authenticate(r)
		done <- err
	}
	go try(ctx, first)
	<-asked
	go try(t.Context(), second)
	leave()
	if err := <-first; l2gw.ErrorCode(err) != l2gw.Unavailable {
		t.Errorf("who left: %v", err)
	}
	close(answer)
	if err := <-second; err != nil {
		t.Errorf("who stayed: %v (%v)", err, errors.Unwrap(err))
	}
	if len(asked) != 0 {
		t.Errorf("Keystone was asked %d times more", len(asked))
	}
}

func TestTheServiceUsersTokenIsRenewed(t *testing.T) {
	w := newWorld(t, "token_cache_time = -1")
	token := w.real.Token(t, w.real.Admin())
	w.is("first", ok, "X-Auth-Token", token)
	var own string
	for _, r := range w.door.Requests() {
		if r.Method == http.MethodGet {
			own = r.Header.Get("X-Auth-Token")
		}
	}
	w.real.Revoke(t, own)
	w.is("after the service user's token ended", ok, "X-Auth-Token", token)
}

func TestWhatIsWrongWithTheServiceUserIsInTheLogAndNotItsPassword(t *testing.T) {
	s := real.Shared(t)
	token := s.Token(t, s.Admin())
	wrong := s.Service()
	wrong.Password = "certainly-not-the-password"
	w := newWorldOf(t, s, s.Door(t, false), wrong)
	w.is("a wrong password", l2gw.Unavailable, "X-Auth-Token", token)
	w.is("again", l2gw.Unavailable, "X-Auth-Token", token)
	w.logged("the service user cannot log in to Keystone")
	w.logged("l2gw of domain Default, project service")
	if strings.Contains(w.logs.String(), wrong.Password) {
		t.Errorf("the password is in the log:\n%s", w.logs)
	}
	if n := len(w.door.Requests()); n != 1 {
		t.Errorf("it tried to log in %d times at once", n)
	}

	w = newWorldOf(t, s, s.Door(t, false), s.User(t, "powerless", "service", "member"))
	w.is("a service user without the role", l2gw.Unavailable, "X-Auth-Token", token)
	w.logged("give it the role service")
}

func TestKeystoneIsSpokenToOverTLS(t *testing.T) {
	s := real.Shared(t)
	token := s.Token(t, s.Admin())
	d, other := s.Door(t, true), s.Door(t, true)
	newWorldOf(t, s, d, s.Service(), "cafile = "+d.CA).is("with its authority", ok, "X-Auth-Token", token)
	newWorldOf(t, s, d, s.Service(), "insecure = true").is("without looking", ok, "X-Auth-Token", token)
	for _, more := range []string{"", "cafile = " + other.CA} {
		w := newWorldOf(t, s, d, s.Service(), "http_request_max_retries = 0", more)
		w.is("with another authority", l2gw.Unavailable, "X-Auth-Token", token)
		w.logged("certificate signed by unknown authority")
	}
	if n := d.Validations(); n != 2 {
		t.Errorf("asked %d times", n)
	}
}

func TestKeystonesAuthorityMayBeRenewedWithoutARestart(t *testing.T) {
	s := real.Shared(t)
	token := s.Token(t, s.Admin())
	d, other := s.Door(t, true), s.Door(t, true)
	file := filepath.Join(t.TempDir(), "ca.pem")
	put := func(from string) {
		t.Helper()
		b := []byte("no certificate")
		if from != "" {
			var err error
			if b, err = os.ReadFile(from); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.WriteFile(file+".new", b, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(file+".new", file); err != nil {
			t.Fatal(err)
		}
	}
	put(other.CA)
	w := newWorldOf(t, s, d, s.Service(), "cafile = "+file, "token_cache_time = -1", "http_request_max_retries = 0")
	w.is("with another authority", l2gw.Unavailable, "X-Auth-Token", token)
	put(d.CA)
	w.becomes("with its authority", ok, "X-Auth-Token", token)
	w.logged("files for TLS have changed and were read again")
	put("")
	for deadline := time.Now().Add(30 * time.Second); !strings.Contains(w.logs.String(), "what they had before stays in force"); time.Sleep(20 * time.Millisecond) {
		w.is("while the file is broken", ok, "X-Auth-Token", token)
		if time.Now().After(deadline) {
			t.Fatalf("nothing is said of the broken file:\n%s", w.logs)
		}
	}
	w.is("afterwards", ok, "X-Auth-Token", token)
}

func TestTheServiceUserMayBeAnApplicationCredential(t *testing.T) {
	s := real.Shared(t)
	c := s.ApplicationCredential(t, s.Service(), "middleware")
	newWorldOf(t, s, s.Door(t, false), c).is("by application credential", ok, "X-Auth-Token", s.Token(t, s.Admin()))
}

func TestTheCatalogSaysWhereTokensAreAskedAboutIfOptionsWantIt(t *testing.T) {
	w := newWorld(t, "interface = internal", "region_name = RegionOne")
	w.is("by the catalog", ok, "X-Auth-Token", w.real.Token(t, w.real.Admin()))
	if n := w.door.Validations(); n != 0 {
		t.Errorf("auth_url was asked %d times", n)
	}
	w = newWorld(t, "region_name = Elsewhere")
	w.is("of a region that there is not", l2gw.Unavailable, "X-Auth-Token", w.real.Token(t, w.real.Admin()))
	w.logged("Elsewhere")
}

func TestClosingEndsWhatWaits(t *testing.T) {
	w := newWorld(t)
	asked := make(chan struct{}, 1)
	w.door.Break(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // until then nobody notices that a client leaves
		asked <- struct{}{}
		<-r.Context().Done()
	})
	done := make(chan error)
	go func() {
		_, err := w.ask("X-Auth-Token", "waits")
		done <- err
	}()
	<-asked
	w.k.Close()
	if err := <-done; l2gw.ErrorCode(err) != l2gw.Unavailable {
		t.Errorf("%v", err)
	}
	w.is("afterwards", l2gw.Unavailable, "X-Auth-Token", "late")
}
