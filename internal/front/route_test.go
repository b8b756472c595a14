package front

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"path"
	"slices"
	"strings"
	"testing"
)

func TestPathDecidesWhoAnswers(t *testing.T) {
	for target, want := range map[string]struct {
		who  side
		name string
	}{
		"/":                            {neutrons, ""},
		"/v2.0":                        {root, ""},
		"/v2.0/":                       {root, ""},
		"//v2.0//":                     {root, ""},
		"/v2.0/networks":               {neutrons, ""},
		"/v2.0/networks/l2-gateways":   {neutrons, ""},
		"/v3/l2-gateways":              {neutrons, ""},
		"/V2.0/l2-gateways":            {neutrons, ""},
		"/l2-gateways":                 {neutrons, ""},
		"/v2.0/l2-gateways":            {ours, ""},
		"/v2.0/l2_gateways":            {ours, ""},
		"/v2.0/l2-gateways.json":       {ours, ""},
		"/v2.0/l2-gateway-connections": {ours, ""},
		"/v2.0/l2-gateway-quotas/p":    {ours, ""},
		"/v2.0/l2-gateways/a/b/c":      {ours, ""},
		"/v2.0//l2-gateways":           {ours, ""},
		"//v2.0/l2-gateways":           {ours, ""},
		"/v2.0/%6c2-gateways":          {ours, ""},
		"/v2.0%2fl2-gateways":          {ours, ""},
		"/v2.0/%2fl2-gateways":         {ours, ""},
		"/v2.0/%256c2-gateways":        {neutrons, ""}, // decoded once, as by Neutron
		"/v2.0/openapi.json":           {ours, ""},
		"/v2.0/openapi.json/x":         {neutrons, ""},
		"/v2.0/../v2.0/l2-gateways":    {nowhere, ""},
		"/v2.0/networks/../l2-gateway": {nowhere, ""},
		"/v2.0/%2e%2e/metrics":         {nowhere, ""},
		"/v2.0/networks/..%2fx":        {nowhere, ""},
		"/v2.0/./networks":             {nowhere, ""},
		"/..":                          {nowhere, ""},
		"/v2.0/networks/..a":           {neutrons, ""},
		"/v2.0/networks/...":           {neutrons, ""},
		"/v2.0/extensions":             {extensions, ""},
		"/v2.0/extensions.json":        {extensions, ""},
		"/v2.0/extensions/":            {extensions, ""},
		"/v2.0/extensions/l2-gateway":  {extension, "l2-gateway"},
		"/v2.0/extensions/agent.json":  {extension, "agent"},
		"/v2.0/extensions/a/b":         {neutrons, ""},
		"/v2.0/quotas":                 {quotas, ""},
		"/v2.0/quotas/p1":              {quota, "p1"},
		"/v2.0/quotas/p1.json":         {quota, "p1"},
		"/v2.0/quotas/p1/details.json": {quotaPart, "p1/details"},
		"/v2.0/quotas/p1/default":      {quotaPart, "p1/default"},
		"/v2.0/quotas/p1/other":        {neutrons, ""},
		"/v2.0/quotas/tenant":          {neutrons, ""},
		"/v2.0/quotas/project.json":    {neutrons, ""},
	} {
		u, err := url.ParseRequestURI(target)
		if err != nil {
			t.Fatal(err)
		}
		if who, name := place(u.Path); who != want.who || name != want.name {
			t.Errorf("%s: %d %q, want %d %q", target, who, name, want.who, want.name)
		}
	}
}

// A path that is passed on must be Neutron's however often whoever reads it
// cleans it; one that our API's routes match must never be passed on.
func FuzzPathIsNotBothOursAndNeutrons(f *testing.F) {
	for _, seed := range []string{
		"/v2.0/networks", "/v2.0/l2-gateways/x", "/v2.0/%2e%2e/l2-gateways", "//v2.0/./l2_gateways", "/v2.0%2fl2-gateways", "/v2.0/a/..%2fl2-gateways", "/v2.0/%6C2-gateways", "/\\../v2.0/l2-gateways",
	} {
		f.Add(seed)
	}
	mux := http.NewServeMux()
	for _, pattern := range []string{"/v2.0/l2-gateways", "/v2.0/l2-gateways/{id}", "/v2.0/l2_gateways", "/v2.0/l2-gateway-connections/{id}", "/v2.0/openapi.json"} {
		mux.Handle(pattern, http.NotFoundHandler())
	}
	f.Fuzz(func(t *testing.T, target string) {
		u, err := url.ParseRequestURI(target)
		if err != nil || !strings.HasPrefix(target, "/") {
			return
		}
		who, _ := place(u.Path)
		if who == ours || who == nowhere {
			return
		}
		clean := path.Clean("/" + u.Path)
		if strings.HasPrefix(clean, "/v2.0/l2-gateway") || strings.HasPrefix(clean, "/v2.0/l2_gateway") || clean == "/v2.0/openapi.json" {
			t.Errorf("%q is passed on, and is ours when it is cleaned", target)
		}
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.URL = u
		if _, pattern := mux.Handler(r); pattern != "" {
			t.Errorf("%q is passed on, and is our route %s", target, pattern)
		}
	})
}

func FuzzNoIdentityReachesNeutron(f *testing.F) {
	for _, seed := range []string{"X-Roles", "x_roles", "X-Project_Id", "X-Auth-Token", "Forwarded", "X-Service-Roles", "X-Service-Token", "X-Tenant", "Accept"} {
		f.Add(seed)
	}
	identity := []string{"HTTP_X_ROLES", "HTTP_X_USER", "HTTP_X_TENANT", "HTTP_X_PROJECT", "HTTP_X_DOMAIN", "HTTP_X_IDENTITY", "HTTP_X_SERVICE_", "HTTP_X_FORWARDED"}
	whole := []string{"HTTP_X_ROLE", "HTTP_X_IS_ADMIN_PROJECT", "HTTP_X_SYSTEM_SCOPE", "HTTP_OPENSTACK_SYSTEM_SCOPE", "HTTP_FORWARDED"}
	f.Fuzz(func(t *testing.T, name string) {
		wsgi := "HTTP_" + strings.ReplaceAll(strings.ToUpper(name), "-", "_") // PEP 3333 by way of CGI
		claims := slices.Contains(whole, wsgi)
		for _, prefix := range identity {
			claims = claims || strings.HasPrefix(wsgi, prefix)
		}
		if wsgi == "HTTP_X_SERVICE_TOKEN" {
			claims = strings.Contains(name, "_")
		}
		if claims && !stripped(name) {
			t.Errorf("%q passes and is %s to Neutron", name, wsgi)
		}
	})
}

func TestWhatIsNoClaimOfIdentityPasses(t *testing.T) {
	for _, name := range []string{"X-Auth-Token", "X-Service-Token", "Accept", "Content-Type", "X-Openstack-Request-Id", "User-Agent", "If-Match", "X-Custom", "Openstack-Api-Version"} {
		if stripped(name) {
			t.Errorf("%s is taken away", name)
		}
	}
}
