package client

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"l2gw/test/keystone"
	"l2gw/test/product"

	"github.com/google/go-cmp/cmp"
)

func TestMain(m *testing.M) { os.Exit(product.Main{M: keystone.Main{M: m}}.Run()) }

const inventory = `networks:
  - {id: 50cdaa0d-0fc7-41c1-81c8-e79f891126d2, name: clinet, vni: 5001, mtu: 1450}
  - {id: 50cdaa0d-0fc7-41c1-81c8-e79f891126d3, name: "Büro 東京", vni: 5002, mtu: 1450}
hosts: []
ports: []
`

// side is one client with its own server.
type side struct {
	t    testing.TB
	name string
	url  string // where its client is sent to
	api  product.API
	run  func(order) outcome
	old  func(order) outcome // of our client, as neutron-l2gw
	// relay is the real client's, or nil.
	relay *relay
	seen  map[string]string // ids → names by the order in which they appeared
	token func() string     // with which the test itself asks the server; nil: without
	enter func()            // before each command; or nil
	valid string            // the token that token gave
}

func serve(t testing.TB, name string, args ...string) product.API {
	t.Helper()
	file := filepath.Join(t.TempDir(), "l2gw.db")
	c := product.NewCloud(t, inventory, product.CloudOptions{Servers: 1, Database: "sqlite:///" + file, ServerArgs: args})
	c.Servers[0].Name = name
	c.Start()
	return c.Servers[0].API
}

// steps

// step is a command line of a session. In arguments, {gateway NAME} and {connection N} are the ids of objects of the side's own server.
type step struct {
	args []string
	env  map[string]string
	old  bool // ours is called as neutron-l2gw, by the names that commands have there
	long bool // ours is asked for all that there is to show, which the real client shows always
}

var references = regexp.MustCompile(`\{(gateway|connection) ([^}]*)\}`)

func (s *side) resolve(arg string) string {
	return references.ReplaceAllStringFunc(arg, func(ref string) string {
		m := references.FindStringSubmatch(ref)
		path, key := "/v2.0/l2-gateways?name="+m[2], "l2_gateways"
		n := 0
		if m[1] == "connection" {
			path, key = "/v2.0/l2-gateway-connections", "l2_gateway_connections"
			if _, err := fmt.Sscan(m[2], &n); err != nil {
				s.t.Fatal(err)
			}
		}
		var body map[string][]struct{ ID string }
		s.get(path, &body)
		if len(body[key]) <= n {
			s.t.Fatalf("%s: %s has no %s: %v", arg, s.name, ref, body)
		}
		return body[key][n].ID
	})
}

func (s *side) get(path string, out any) {
	s.t.Helper()
	r, err := http.NewRequestWithContext(s.t.Context(), http.MethodGet, s.api.URL+path, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	if s.token != nil {
		if s.valid == "" {
			s.valid = s.token()
		}
		r.Header.Set("X-Auth-Token", s.valid)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err == nil {
		err = json.Unmarshal(data, out)
	}
	if err != nil {
		s.t.Fatalf("GET %s: %v: %s", path, err, data)
	}
}

var (
	ids   = regexp.MustCompile(`[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}`)
	times = regexp.MustCompile(`20[0-9]{2}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}:[0-9]{2}Z?`)
)

// steady replaces what differs between two servers by names of the same width.
func (s *side) steady(text string) string {
	text = ids.ReplaceAllStringFunc(text, func(id string) string {
		if _, ok := s.seen[id]; !ok {
			s.seen[id] = fmt.Sprintf("00000000-0000-0000-0000-%012d", len(s.seen)+1)
		}
		return s.seen[id]
	})
	return times.ReplaceAllString(text, "2026-01-01T00:00:00Z")
}

// holds is all that the server has.
func (s *side) holds() string {
	var all strings.Builder
	for _, path := range []string{"/v2.0/l2-gateways", "/v2.0/l2-gateway-connections"} {
		var body any
		s.get(path, &body)
		data, err := json.MarshalIndent(body, "", " ")
		if err != nil {
			s.t.Fatal(err)
		}
		all.Write(data)
	}
	return s.steady(all.String())
}

// old is a command as neutron-l2gw has it: "l2-gateway-create" for "l2gw create".
func old(args []string) []string {
	if args[1] == "connection" {
		return append([]string{"l2-gateway-connection-" + args[2]}, args[3:]...)
	}
	return append([]string{"l2-gateway-" + args[1]}, args[2:]...)
}

// named leaves out the options in front of the command, of which some are secret.
func named(args []string) string {
	return strings.Join(args[max(0, slices.Index(args, "l2gw")):], " ")
}

// compare runs a session on both sides.
func compare(t *testing.T, theirs, ours *side, prefix []string, session []step) {
	for i, st := range session {
		ok := t.Run(fmt.Sprintf("%03d %s", i, named(st.args)), func(t *testing.T) {
			var got [2]outcome
			for k, s := range []*side{theirs, ours} {
				if s.enter != nil {
					s.enter()
				}
				if s.relay != nil {
					s.relay.older.Store(!slices.Contains(st.args, "-c") && !slices.Contains(st.args, "--column"))
				}
				args := st.args
				run := s.run
				if k == 1 && st.old {
					args, run = old(args), s.old
				}
				if st.long {
					s.settle()
				}
				if k == 1 && st.long {
					args = append(slices.Clone(args), "--long")
				}
				o := order{Env: map[string]string{}}
				for _, arg := range slices.Concat(prefix, args) {
					o.Args = append(o.Args, strings.ReplaceAll(s.resolve(arg), "{url}", s.url))
				}
				for key, value := range st.env {
					o.Env[key] = strings.ReplaceAll(value, "{url}", s.url)
				}
				got[k] = run(o)
				got[k].Stdout = s.steady(got[k].Stdout)
			}
			if got[0].Code != got[1].Code {
				t.Errorf("exit code %d, and ours %d\ntheirs: %s\nours: %s", got[0].Code, got[1].Code, got[0].Stderr, got[1].Stderr)
			}
			if got[0].Stdout != got[1].Stdout {
				t.Errorf("stdout\ntheirs:\n%s\nours:\n%s\nstderr\ntheirs: %s\nours: %s", got[0].Stdout, got[1].Stdout, got[0].Stderr, got[1].Stderr)
			}
			if got[0].Code != 0 && got[1].Stderr == "" {
				t.Errorf("we say nothing where they say: %s", got[0].Stderr)
			}
			if !strings.Contains(named(st.args), "create") && !strings.Contains(named(st.args), "update") && !strings.Contains(named(st.args), "delete") {
				return
			}
			theirs.settle()
			ours.settle()
			if a, b := theirs.holds(), ours.holds(); a != b {
				t.Errorf("the servers hold\n%s\ntheirs: %+v\nours: %+v", cmp.Diff(strings.Split(a, "\n"), strings.Split(b, "\n")), got[0], got[1])
			}
		})
		if !ok && theirs.holds() != ours.holds() {
			t.Fatal("the servers differ from here on")
		}
	}
}

func TestBothClientsSayTheSameWithoutLogin(t *testing.T) {
	t.Parallel()
	python, our := newRealClient(t), newOurClient(t)
	theirs := &side{t: t, name: "the real client", api: serve(t, "theirs"), run: python.run, seen: map[string]string{}}
	theirs.relay = newRelay(t, theirs.api.URL)
	theirs.url = theirs.relay.URL
	ours := &side{t: t, name: "our client", api: serve(t, "ours"), seen: map[string]string{}}
	ours.url = ours.api.URL
	ours.run = func(o order) outcome { return our.run("openstack", o) }
	ours.old = func(o order) outcome { return our.run("neutron-l2gw", o) }
	compare(t, theirs, ours, []string{"--os-auth-type", "none", "--os-endpoint", "{url}"}, session())
}
