package keystone

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// Environment is what OpenStack's clients read: OS_AUTH_URL and so on.
func (s *Server) Environment(c Credentials) []string {
	var all []string
	for _, kv := range s.login3(c, s.URL()) {
		all = append(all, "OS_"+strings.ToUpper(kv[0])+"="+kv[1])
	}
	if c.ApplicationCredential != "" {
		all = append(all, "OS_AUTH_TYPE=v3applicationcredential")
	}
	return append(all, "OS_IDENTITY_API_VERSION=3", "OS_REGION_NAME=RegionOne")
}

// CloudsYAML writes a clouds.yaml with these clouds and returns its path. Clients
// find it through OS_CLIENT_CONFIG_FILE.
func (s *Server) CloudsYAML(t testing.TB, clouds map[string]Credentials) string {
	t.Helper()
	var b strings.Builder
	b.WriteString("clouds:\n")
	for name, c := range clouds {
		fmt.Fprintf(&b, "  %s:\n    region_name: RegionOne\n    identity_api_version: 3\n", name)
		if c.ApplicationCredential != "" {
			b.WriteString("    auth_type: v3applicationcredential\n")
		}
		b.WriteString("    auth:\n")
		for _, kv := range s.login3(c, s.URL()) {
			fmt.Fprintf(&b, "      %s: %q\n", kv[0], kv[1])
		}
	}
	path := filepath.Join(t.TempDir(), "clouds.yaml")
	if err := os.WriteFile(path, []byte(b.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// AuthToken is the section [keystone_authtoken] of a service's ini file that logs
// in with c at a URL (see [Door]; "": the server's own), with more lines such as
// "token_cache_time = 2".
func (s *Server) AuthToken(c Credentials, url string, more ...string) string {
	if url == "" {
		url = s.URL()
	}
	lines := []string{"[keystone_authtoken]", "www_authenticate_uri = " + url, "auth_type = password"}
	if c.ApplicationCredential != "" {
		lines[2] = "auth_type = v3applicationcredential"
	}
	for _, kv := range s.login3(c, url) {
		lines = append(lines, kv[0]+" = "+kv[1])
	}
	return strings.Join(slices.Concat(lines, more), "\n") + "\n"
}

// login3 are the options with which keystoneauth logs in.
func (s *Server) login3(c Credentials, url string) [][2]string {
	all := [][2]string{{"auth_url", url}}
	if c.ApplicationCredential != "" {
		return append(all, [2]string{"application_credential_id", c.ApplicationCredential}, [2]string{"application_credential_secret", c.Secret})
	}
	all = append(all, [2]string{"username", c.User}, [2]string{"password", c.Password}, [2]string{"user_domain_name", "Default"})
	switch {
	case c.System:
		all = append(all, [2]string{"system_scope", "all"})
	case c.Domain:
		all = append(all, [2]string{"domain_name", "Default"})
	case c.Project != "":
		all = append(all, [2]string{"project_name", c.Project}, [2]string{"project_domain_name", "Default"})
	}
	return all
}
