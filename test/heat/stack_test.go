package heat

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"l2gw/test/keystone"
)

type object = map[string]any

// client asks one service as one user.
type client struct {
	t     testing.TB
	url   string
	token string
}

// do sends a request and decodes the answer into out, which may be nil.
func (c client) do(method, path string, body, out any) (status int, text string) {
	c.t.Helper()
	b, err := json.Marshal(body)
	if err != nil {
		c.t.Fatal(err)
	}
	r, err := http.NewRequestWithContext(c.t.Context(), method, c.url+path, bytes.NewReader(b))
	if err != nil {
		c.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("X-Auth-Token", c.token)
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		c.t.Fatal(err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	if out != nil && resp.StatusCode < 300 {
		if err := json.Unmarshal(answer, out); err != nil {
			c.t.Fatalf("%s %s: %v in %s", method, path, err, answer)
		}
	}
	return resp.StatusCode, string(answer)
}

// must is do with the status that is expected.
func (c client) must(status int, method, path string, body, out any) {
	c.t.Helper()
	if got, text := c.do(method, path, body, out); got != status {
		c.t.Fatalf("%s %s: %d %s, want %d", method, path, got, text, status)
	}
}

// stack is one of Heat's.
type stack struct {
	heat     client
	path     string // /stacks/NAME/ID
	template string
}

// in is Heat for a test, which may be a part of the one that made the stack.
func (s *stack) in(t testing.TB) client { return client{t, s.heat.url, s.heat.token} }

// create asks for a stack and waits until it is done.
func (o *orchestra) create(t testing.TB, who keystone.Credentials, name, template, becomes string) *stack {
	t.Helper()
	heat := o.heat(t, who)
	var made struct{ Stack struct{ ID string } }
	heat.must(http.StatusCreated, http.MethodPost, "/stacks",
		object{"stack_name": name, "template": template, "disable_rollback": true, "timeout_mins": 5}, &made)
	s := &stack{heat, "/stacks/" + name + "/" + made.Stack.ID, template}
	s.becomes(t, becomes)
	return s
}

// state is what Heat says of a stack.
type state struct {
	Status  string `json:"stack_status"`
	Reason  string `json:"stack_status_reason"`
	Outputs []struct {
		Key   string `json:"output_key"`
		Value any    `json:"output_value"`
		Error string `json:"output_error"`
	}
}

// becomes waits until the stack has a status, and returns why.
func (s *stack) becomes(t testing.TB, status string) (reason string) {
	t.Helper()
	eventually(t, s.path+" is "+status, func() error {
		var now struct{ Stack state }
		s.in(t).must(http.StatusOK, http.MethodGet, s.path+"?resolve_outputs=false", nil, &now)
		reason = now.Stack.Reason
		if got := now.Stack.Status; got != status {
			if !strings.HasSuffix(got, "_IN_PROGRESS") {
				t.Fatalf("%s is %s: %s\nwant %s\n%s", s.path, got, reason, status, s.resources(t))
			}
			return fmt.Errorf("it is %s: %s", got, reason)
		}
		return nil
	})
	return reason
}

// outputs are what the template asks to be shown.
func (s *stack) outputs(t testing.TB) map[string]any {
	t.Helper()
	var now struct{ Stack state }
	s.in(t).must(http.StatusOK, http.MethodGet, s.path, nil, &now)
	all := map[string]any{}
	for _, o := range now.Stack.Outputs {
		if o.Error != "" {
			t.Errorf("output %s: %s", o.Key, o.Error)
		}
		all[o.Key] = o.Value
	}
	return all
}

// update changes the template and waits.
func (s *stack) update(t testing.TB, change *strings.Replacer, becomes string) (reason string) {
	t.Helper()
	changed := change.Replace(s.template)
	if changed == s.template {
		t.Fatal("the template is the same")
	}
	s.template = changed
	s.in(t).must(http.StatusAccepted, http.MethodPut, s.path, object{"template": s.template}, nil)
	return s.becomes(t, becomes)
}

// delete ends a stack and waits until it is gone.
func (s *stack) delete(t testing.TB) {
	t.Helper()
	s.in(t).must(http.StatusNoContent, http.MethodDelete, s.path, nil, nil)
	s.becomes(t, "DELETE_COMPLETE")
}

// resources tells of each resource why it is as it is.
func (s *stack) resources(t testing.TB) string {
	t.Helper()
	var list struct {
		Resources []struct {
			Name   string `json:"resource_name"`
			Status string `json:"resource_status"`
			Reason string `json:"resource_status_reason"`
		}
	}
	s.in(t).must(http.StatusOK, http.MethodGet, s.path+"/resources", nil, &list)
	var b strings.Builder
	for _, r := range list.Resources {
		fmt.Fprintf(&b, "%s: %s: %s\n", r.Name, r.Status, r.Reason)
	}
	return b.String()
}

// id is that of what a resource made.
func (s *stack) id(t testing.TB, resource string) string {
	t.Helper()
	var got struct {
		Resource struct {
			ID string `json:"physical_resource_id"`
		}
	}
	s.in(t).must(http.StatusOK, http.MethodGet, s.path+"/resources/"+resource, nil, &got)
	return got.Resource.ID
}
