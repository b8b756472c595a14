package keystone

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// TestTheCacheDoesWhatASlowListWould compares with a list in the order of use.
func TestTheCacheDoesWhatASlowListWould(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		type kept struct {
			key, value int
			until      time.Time
		}
		size := rapid.IntRange(1, 5).Draw(t, "size")
		c, model, now := newCache[int, int](size), []kept{}, time.Unix(0, 0)
		for range rapid.IntRange(1, 50).Draw(t, "steps") {
			now = now.Add(time.Duration(rapid.IntRange(0, 3).Draw(t, "later")))
			key := rapid.IntRange(0, 7).Draw(t, "key")
			at := slices.IndexFunc(model, func(k kept) bool { return k.key == key })
			if rapid.Bool().Draw(t, "put") {
				k := kept{key, rapid.Int().Draw(t, "value"), now.Add(time.Duration(rapid.IntRange(0, 6).Draw(t, "life")))}
				c.put(k.key, k.value, k.until)
				if at >= 0 {
					model = slices.Delete(model, at, at+1)
				}
				model = append(model, k)
				model = model[max(0, len(model)-size):]
			} else {
				want, found := 0, at >= 0 && now.Before(model[max(at, 0)].until)
				if at >= 0 {
					k := model[at]
					if model = slices.Delete(model, at, at+1); found {
						want, model = k.value, append(model, k)
					}
				}
				if got, ok := c.get(key, now); got != want || ok != found {
					t.Fatalf("get %d: %d, %v; want %d, %v", key, got, ok, want, found)
				}
			}
			if len(c.entries) != len(model) || c.recent.Len() != len(model) {
				t.Fatalf("%d entries, want %d", len(c.entries), len(model))
			}
		}
	})
}

func TestAccessRulesMatchPathsAsKeystoneDescribesThem(t *testing.T) {
	for _, test := range []struct {
		pattern, path string
		want          bool
	}{
		{"/v2.0/l2-gateways", "/v2.0/l2-gateways", true},
		{"/v2.0/l2-gateways", "/v2.0/l2-gateways/", false},
		{"/v2.0/l2-gateways", "/v2x0/l2-gateways", false}, // a dot is a dot
		{"/v2.0/*", "/v2.0/ports", true},
		{"/v2.0/*", "/v2.0/", false},
		{"/v2.0/*", "/v2.0/ports/1", false},
		{"/v2.0/{what}/{id}", "/v2.0/ports/1", true},
		{"/v2.0/{what}/{id}", "/v2.0/ports", false},
		{"/v2.0/p{id}s", "/v2.0/ports", true},
		{"/v2.0/**", "/v2.0/ports/1/2", true},
		{"/v2.0/**", "/v2.0/", true},
		{"**", "/anything", true},
		{"/v2.0/(a|b)+", "/v2.0/a", false}, // nothing else means anything
		{"/v2.0/(a|b)+", "/v2.0/(a|b)+", true},
		{"/v2.0/ports", "/v2.0/ports\n", false},
		{"/{", "/{", true},
		{"", "", true},
	} {
		if got := pathPattern(test.pattern).MatchString(test.path); got != test.want {
			t.Errorf("%q matches %q: %v", test.pattern, test.path, got)
		}
	}
}

func TestABoundTokenIsBelievedAsTheOptionSays(t *testing.T) {
	free, kerberos, unknown := &token{}, &token{bind: []string{"kerberos"}}, &token{bind: []string{"x509"}}
	for _, test := range []struct {
		bind                    Bind
		free, kerberos, unknown bool
	}{
		{BindDisabled, true, true, true},
		{BindPermissive, true, false, true},
		{BindStrict, true, false, false},
		{BindRequired, false, false, false},
		{"kerberos", false, false, false},
	} {
		if got := [3]bool{!free.bound(test.bind), !kerberos.bound(test.bind), !unknown.bound(test.bind)}; got != [3]bool{test.free, test.kerberos, test.unknown} {
			t.Errorf("%s: %v", test.bind, got)
		}
	}
}
