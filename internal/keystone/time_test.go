package keystone

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"l2gw"
)

// clock is a Keystone for tests about time, which a real one would take hours for:
// its own tokens live for an hour, and it knows every user's.
type clock struct {
	mu sync.Mutex // of a request; the test's own goroutine looks while there is none

	logins, asked  int
	away, revoked  bool
	refusesLogins  bool
	expires        map[string]time.Time // of its own tokens
	validUntil     time.Time            // of users' tokens
	usedAfterwards int                  // its own tokens that were used after their end
}

func (c *clock) RoundTrip(r *http.Request) (*http.Response, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.away {
		return nil, errors.New("connection refused")
	}
	answer := func(status int, header, body string) (*http.Response, error) {
		return &http.Response{StatusCode: status, Header: http.Header{"X-Subject-Token": {header}}, Body: io.NopCloser(strings.NewReader(body)), Request: r}, nil
	}
	token := func(until time.Time) string {
		return fmt.Sprintf(`{"token": {"user": {"id": "u"}, "expires_at": %q}}`, until.UTC().Format(time.RFC3339Nano))
	}
	if r.Method == http.MethodPost {
		c.logins++
		if c.refusesLogins {
			return answer(http.StatusUnauthorized, "", "")
		}
		name, until := fmt.Sprint("own-", c.logins), time.Now().Add(time.Hour)
		c.expires[name] = until
		return answer(http.StatusCreated, name, token(until))
	}
	c.asked++
	if !time.Now().Before(c.expires[r.Header.Get("X-Auth-Token")]) {
		c.usedAfterwards++
		return answer(http.StatusUnauthorized, "", "")
	}
	if c.revoked {
		return answer(http.StatusNotFound, "", "")
	}
	return answer(http.StatusOK, "", token(c.validUntil))
}

// inTime runs a test with a Keystone whose time is the test's.
func inTime(t *testing.T, cacheTime time.Duration, test func(c *clock, ask func() l2gw.Code)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		c := &clock{expires: map[string]time.Time{}, validUntil: time.Now().Add(24 * time.Hour)}
		k, err := New(Options{
			AuthURL: "http://keystone", Login: Login{UserID: "l2gw", Password: "p", ProjectID: "service"}, CacheTime: cacheTime,
			Logger: slog.New(slog.DiscardHandler),
		})
		if err != nil {
			t.Fatal(err)
		}
		k.client.Transport = c
		defer k.Close()
		test(c, func() l2gw.Code {
			r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
			r.Header.Set("X-Auth-Token", "a-user's")
			_, err := k.Authenticate(r)
			synctest.Wait() // for what goes on beside it
			return l2gw.ErrorCode(err)
		})
	})
}

func TestTheServiceUsersTokenIsRenewedBeforeItsEnd(t *testing.T) {
	inTime(t, -1, func(c *clock, ask func() l2gw.Code) {
		for minute := range 180 {
			if got := ask(); got != "" {
				t.Fatalf("minute %d: %s", minute, got)
			}
			time.Sleep(time.Minute)
		}
		if c.usedAfterwards > 0 || c.logins != 4 { // at 0, 54, 108 and 162 minutes
			t.Errorf("%d logins; %d times a token was used after its end", c.logins, c.usedAfterwards)
		}
	})
}

func TestARenewalThatFailsIsTriedAgainWhileTheOldTokenGoesOn(t *testing.T) {
	inTime(t, -1, func(c *clock, ask func() l2gw.Code) {
		ask()
		time.Sleep(55 * time.Minute)
		c.refusesLogins = true
		for range 60 {
			if got := ask(); got != "" {
				t.Fatalf("while it cannot be renewed: %s", got)
			}
			time.Sleep(time.Second)
		}
		if c.logins < 5 || c.logins > 20 {
			t.Errorf("%d logins in a minute", c.logins)
		}
		time.Sleep(5 * time.Minute)
		if got := ask(); got != l2gw.Unavailable {
			t.Errorf("after its end: %q", got)
		}
		c.refusesLogins = false
		time.Sleep(pauseAfterRefusal)
		if got := ask(); got != "" {
			t.Errorf("when it may log in again: %s", got)
		}
	})
}

func TestAServiceUserThatIsRefusedDoesNotTryAgainAtOnce(t *testing.T) {
	inTime(t, 0, func(c *clock, ask func() l2gw.Code) {
		c.refusesLogins = true
		for range 100 { // ten seconds
			if got := ask(); got != l2gw.Unavailable {
				t.Fatalf("%q", got)
			}
			time.Sleep(100 * time.Millisecond)
		}
		if c.logins != 2 {
			t.Errorf("%d logins in ten seconds", c.logins)
		}
	})
}

func TestTheCacheEndsWhenItSaysAndNotLaterThanTheToken(t *testing.T) {
	inTime(t, 300*time.Second, func(c *clock, ask func() l2gw.Code) {
		ask()
		c.revoked = true
		time.Sleep(300*time.Second - 1)
		if got := ask(); got != "" {
			t.Errorf("revoked, within the cache's time: %s", got)
		}
		time.Sleep(time.Nanosecond)
		if got := ask(); got != l2gw.Unauthorized {
			t.Errorf("revoked, after the cache's time: %q", got)
		}
		c.revoked = false // as if another Keystone answered, that knows it
		time.Sleep(refusalTime - 1)
		if got := ask(); got != l2gw.Unauthorized {
			t.Errorf("refused a moment ago: %q", got)
		}
		time.Sleep(time.Nanosecond)
		if got := ask(); got != "" || c.asked != 3 {
			t.Errorf("later: %q, asked %d times", got, c.asked)
		}
	})
	inTime(t, 300*time.Second, func(c *clock, ask func() l2gw.Code) {
		c.validUntil = time.Now().Add(10 * time.Second)
		ask()
		time.Sleep(10*time.Second - 1)
		if got := ask(); got != "" {
			t.Errorf("before its end: %s", got)
		}
		c.away = true // nobody needs to be asked
		time.Sleep(time.Nanosecond)
		if got := ask(); got == "" {
			t.Error("it counts after its end")
		}
	})
}

func TestAKeystoneThatIsAwayIsAskedOnceASecond(t *testing.T) {
	inTime(t, -1, func(c *clock, ask func() l2gw.Code) {
		ask()
		c.away = true
		if got := ask(); got != l2gw.Unavailable {
			t.Fatalf("%q", got)
		}
		c.away, c.asked = false, 0
		time.Sleep(awayTime - 1)
		if got := ask(); got != l2gw.Unavailable || c.asked != 0 {
			t.Errorf("within a second: %q, asked %d times", got, c.asked)
		}
		time.Sleep(time.Nanosecond)
		if got := ask(); got != "" {
			t.Errorf("after a second: %s", got)
		}
	})
}

func TestEachQuestionIsToldWithItsResult(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &clock{expires: map[string]time.Time{}, validUntil: time.Now().Add(24 * time.Hour)}
		var told []Result
		k, err := New(Options{
			AuthURL: "http://keystone", Login: Login{UserID: "l2gw", Password: "p", ProjectID: "service"}, Logger: slog.New(slog.DiscardHandler),
			Observe: func(r Result, took time.Duration) {
				if asked := r != ResultCached; asked != (took > 0) {
					t.Errorf("%s took %v", r, took)
				}
				told = append(told, r)
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		k.client.Transport = c
		defer k.Close()
		ask := func(token string) {
			r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
			r.Header.Set("X-Auth-Token", token)
			_, _ = k.Authenticate(r)
		}
		ask("a")
		ask("a")
		c.revoked = true
		ask("b")
		ask("b")
		c.away = true
		ask("c")
		if want := []Result{ResultValid, ResultCached, ResultRefused, ResultCached, ResultUnavailable}; !slices.Equal(told, want) {
			t.Errorf("%v, want %v", told, want)
		}
	})
}
