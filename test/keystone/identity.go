package keystone

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"l2gw/test/secrets"
)

// Credentials are what somebody logs in with. Users and projects are of the domain
// Default (id "default").
type Credentials struct {
	User, UserID, Password string
	Project, ProjectID     string // "": no project
	// System asks for a token of the whole system instead of the project, Domain
	// for one of the domain Default.
	System, Domain bool
	// ApplicationCredential is the id of one, and Secret its secret; they replace the rest.
	ApplicationCredential, Secret string
}

// AccessRule is a request that an application credential may make.
type AccessRule struct {
	Service string `json:"service"`
	Method  string `json:"method"`
	Path    string `json:"path"`
}

// ServiceType is the type of the service that [Server.SetEndpoint] is about.
const ServiceType = "network"

type object = map[string]any

// statusError is an answer that was not expected.
type statusError struct {
	status int
	text   string
}

func (e *statusError) Error() string { return e.text }

// first makes what every cloud has.
func (s *Server) first() error {
	var list struct {
		Roles, Projects []struct{ ID, Name string }
	}
	for _, path := range []string{"/roles", "/projects"} {
		if err := s.call("GET", path, nil, &list); err != nil {
			return err
		}
	}
	for _, r := range list.Roles {
		s.roles[r.Name] = r.ID
	}
	for _, p := range list.Projects {
		s.projects[p.Name] = p.ID
	}
	s.admin.ProjectID = s.projects["admin"]
	var service struct{ Service struct{ ID string } }
	if err := s.call("POST", "/services", object{"service": object{"type": ServiceType, "name": "neutron"}}, &service); err != nil {
		return err
	}
	s.network = service.Service.ID
	var err error
	s.service, err = s.user("l2gw", "service", []string{"service"})
	return err
}

// Admin is the administrator: user and project "admin", role admin in the project
// and in the system.
func (s *Server) Admin() Credentials { return s.admin }

// Service is the product's service user: "l2gw" in project "service", whose role
// is "service" alone.
func (s *Server) Service() Credentials { return s.service }

// User makes a user, the project and the roles as far as they are missing, and
// gives the user these roles in the project. Asked again for the same user and
// project it adds the roles and returns the same credentials.
func (s *Server) User(t testing.TB, name, project string, roles ...string) Credentials {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	c, err := s.user(name, project, roles)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func (s *Server) user(name, project string, roles []string) (Credentials, error) {
	made := func(known map[string]string, kind, name string, body object) error {
		if known[name] != "" {
			return nil
		}
		var out map[string]struct{ ID string }
		if err := s.call("POST", "/"+kind+"s", object{kind: body}, &out); err != nil {
			return err
		}
		known[name] = out[kind].ID
		return nil
	}
	if err := made(s.projects, "project", project, object{"name": project, "domain_id": "default"}); err != nil {
		return Credentials{}, err
	}
	c, ok := s.users[name]
	if !ok {
		c = Credentials{User: name, Password: s.keepLocked(name + "-" + rand.Text())}
		ids := map[string]string{}
		if err := made(ids, "user", name, object{"name": name, "domain_id": "default", "password": c.Password}); err != nil {
			return c, err
		}
		c.UserID = ids[name]
		s.users[name] = c
	}
	c.Project, c.ProjectID = project, s.projects[project]
	for _, role := range roles {
		if err := made(s.roles, "role", role, object{"name": role}); err != nil {
			return c, err
		}
		if err := s.call("PUT", "/projects/"+c.ProjectID+"/users/"+c.UserID+"/roles/"+s.roles[role], nil, nil); err != nil {
			return c, err
		}
	}
	return c, nil
}

// GrantSystem gives a user a role in the whole system; GrantDomain in the domain Default.
func (s *Server) GrantSystem(t testing.TB, c Credentials, role string) {
	t.Helper()
	s.must(t, "PUT", "/system/users/"+c.UserID+"/roles/"+s.role(role), nil, nil)
}

// GrantDomain gives a user a role in the domain Default.
func (s *Server) GrantDomain(t testing.TB, c Credentials, role string) {
	t.Helper()
	s.must(t, "PUT", "/domains/default/users/"+c.UserID+"/roles/"+s.role(role), nil, nil)
}

func (s *Server) role(name string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.roles[name]
}

// Ungrant takes a role in the project away from a user.
func (s *Server) Ungrant(t testing.TB, c Credentials, role string) {
	t.Helper()
	s.must(t, "DELETE", "/projects/"+c.ProjectID+"/users/"+c.UserID+"/roles/"+s.role(role), nil, nil)
}

// Disable locks a user out. Its tokens end with it.
func (s *Server) Disable(t testing.TB, c Credentials) {
	t.Helper()
	s.must(t, "PATCH", "/users/"+c.UserID, object{"user": object{"enabled": false}}, nil)
}

// SetPassword changes a user's password, which ends its tokens.
func (s *Server) SetPassword(t testing.TB, c Credentials) Credentials {
	t.Helper()
	c.Password = s.keep(c.User + "-" + rand.Text())
	s.must(t, "PATCH", "/users/"+c.UserID, object{"user": object{"password": c.Password}}, nil)
	return c
}

// ApplicationCredential makes one for a user; with rules it may make only those requests.
func (s *Server) ApplicationCredential(t testing.TB, c Credentials, name string, rules ...AccessRule) Credentials {
	t.Helper()
	body := object{"name": name, "secret": s.keep(name + "-" + rand.Text())}
	if rules != nil {
		body["access_rules"] = rules
	}
	var out struct {
		Credential struct{ ID, Secret string } `json:"application_credential"`
	}
	if _, err := s.request("POST", "/users/"+c.UserID+"/application_credentials", http.Header{"X-Auth-Token": {s.Token(t, c)}},
		object{"application_credential": body}, &out); err != nil {
		t.Fatal(err)
	}
	return Credentials{ApplicationCredential: out.Credential.ID, Secret: out.Credential.Secret}
}

// SetEndpoint lets the catalog name this URL for the network service, in all
// interfaces of RegionOne.
func (s *Server) SetEndpoint(t testing.TB, url string) {
	t.Helper()
	var list struct{ Endpoints []struct{ ID string } }
	s.must(t, "GET", "/endpoints?service_id="+s.network, nil, &list)
	for _, e := range list.Endpoints {
		s.must(t, "DELETE", "/endpoints/"+e.ID, nil, nil)
	}
	for _, side := range []string{"public", "internal", "admin"} {
		s.must(t, "POST", "/endpoints", object{"endpoint": object{
			"service_id": s.network, "interface": side, "region_id": "RegionOne", "url": url,
		}}, nil)
	}
}

// Token logs in.
func (s *Server) Token(t testing.TB, c Credentials) string {
	t.Helper()
	return s.TokenFor(t, c, 0)
}

// TokenFor logs in for a token that lives so long, in whole seconds; 0: an hour.
func (s *Server) TokenFor(t testing.TB, c Credentials, life time.Duration) string {
	t.Helper()
	token, err := s.login(c, life)
	if err != nil {
		t.Fatal(err)
	}
	return s.keep(token)
}

func (s *Server) login(c Credentials, life time.Duration) (string, error) {
	header := http.Header{}
	if life > 0 {
		header.Set("X-Test-Expiration", strconv.Itoa(int(life/time.Second)))
	}
	domain := object{"id": "default"}
	auth := object{"identity": object{"methods": []string{"password"}, "password": object{
		"user": object{"name": c.User, "domain": domain, "password": c.Password},
	}}}
	switch {
	case c.ApplicationCredential != "":
		auth = object{"identity": object{"methods": []string{"application_credential"}, "application_credential": object{
			"id": c.ApplicationCredential, "secret": c.Secret,
		}}}
	case c.System:
		auth["scope"] = object{"system": object{"all": true}}
	case c.Domain:
		auth["scope"] = object{"domain": domain}
	case c.Project != "":
		auth["scope"] = object{"project": object{"name": c.Project, "domain": domain}}
	}
	answer, err := s.request("POST", "/auth/tokens", header, object{"auth": auth}, nil)
	if err != nil {
		return "", err
	}
	return answer.Get("X-Subject-Token"), nil
}

// Revoke ends a token.
func (s *Server) Revoke(t testing.TB, token string) {
	t.Helper()
	if _, err := s.request("DELETE", "/auth/tokens", http.Header{"X-Auth-Token": {token}, "X-Subject-Token": {token}}, nil, nil); err != nil {
		t.Fatal(err)
	}
}

// Secrets are all passwords and tokens that there have been, which no log may have.
// [secrets] remembers them as well.
func (s *Server) Secrets() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Sorted(maps.Keys(s.secrets))
}

func (s *Server) keep(secret string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.keepLocked(secret)
}

func (s *Server) keepLocked(secret string) string {
	s.secrets[secret] = true
	secrets.Keep(secret)
	return secret
}

func (s *Server) must(t testing.TB, method, path string, body, out any) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.call(method, path, body, out); err != nil {
		t.Fatal(err)
	}
}

// call asks as the administrator. The caller has the mutex.
func (s *Server) call(method, path string, body, out any) error {
	for again := false; ; again = true {
		if s.token == "" {
			token, err := s.login(s.admin, 0)
			if err != nil {
				return err
			}
			s.token = s.keepLocked(token)
		}
		_, err := s.request(method, path, http.Header{"X-Auth-Token": {s.token}}, body, out)
		if e, ok := errors.AsType[*statusError](err); ok && e.status == http.StatusUnauthorized && !again {
			s.token = ""
			continue
		}
		return err
	}
}

func (s *Server) request(method, path string, header http.Header, body, out any) (http.Header, error) {
	var in io.Reader
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			return nil, err
		}
		in = bytes.NewReader(b)
		header.Set("Content-Type", "application/json")
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, method, s.URL()+path, in)
	if err != nil {
		return nil, err
	}
	r.Header = header
	answer, err := s.client.Do(r)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	b, err := io.ReadAll(answer.Body)
	if err != nil {
		return nil, err
	}
	if answer.StatusCode >= 300 {
		return nil, &statusError{answer.StatusCode, fmt.Sprintf("%s %s: %s: %s", method, path, answer.Status, strings.TrimSpace(string(b)))}
	}
	if out != nil {
		return answer.Header, json.Unmarshal(b, out)
	}
	return answer.Header, nil
}
