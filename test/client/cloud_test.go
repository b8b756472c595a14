package client

import (
	"crypto/tls"
	"fmt"
	"io"
	"log"
	"maps"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"l2gw/test/keystone"
	"l2gw/test/neutron"
	"l2gw/test/product"
)

// standing is a cloud with TLS everywhere: clients → the product → Neutron, and
// all three → Keystone, which knows the product as the endpoint for networks.
type standing struct {
	t             testing.TB
	cloud         *product.Cloud
	server        *product.Serve
	url           string
	neutron       string // with TLS
	ca            string // file: the authorities of Keystone and of the others
	admin, member keystone.Credentials
	identity      *keystone.Server
	door          *keystone.Door
	network       string // id of the network "blue"
	python        *realClient
	our           *ourClient
}

func newStanding(t testing.TB) *standing {
	ks := keystone.Shared(t)
	s := &standing{t: t, identity: ks, door: ks.Door(t, true), python: newRealClient(t), our: newOurClient(t)}
	s.admin, s.member = ks.User(t, "cloud-admin", "cloud-admins", "admin"), ks.User(t, "cloud-member", "cloud", "member")
	s.cloud = product.NewCloud(t, "{networks: [], hosts: [], ports: []}\n", product.CloudOptions{Database: "sqlite:///" + filepath.Join(t.TempDir(), "l2gw.db")})
	files := s.cloud.PKI.Issue("api", "127.0.0.1")
	s.ca = filepath.Join(t.TempDir(), "ca.pem")
	product.WriteFile(t, s.ca, content(t, files.CA)+content(t, s.door.CA))

	behind := neutron.Start(t, neutron.Options{Config: "[DEFAULT]\nauth_strategy = keystone\n[oslo_middleware]\nenable_proxy_headers_parsing = True\n" +
		ks.AuthToken(ks.Service(), s.door.URL(), "cafile = "+s.door.CA)})
	s.neutron = behindTLS(t, behind.URL, files)

	ini := filepath.Join(t.TempDir(), "server.ini")
	product.WriteFile(t, ini, fmt.Sprintf("[DEFAULT]\nauth_strategy = keystone\n[l2gw]\napi_certificate = %s\napi_private_key = %s\nproxy = true\n"+
		"[neutron]\nendpoint_override = %s\ncafile = %s\n", files.Certificate, files.Key, s.neutron, files.CA)+
		ks.AuthToken(ks.Service(), s.door.URL(), "cafile = "+s.door.CA))
	s.server = s.cloud.NewServe("server-1", "--config-file", ini)
	s.server.Spawn()
	s.url = strings.Replace(s.server.URL, "http:", "https:", 1)
	s.server.WaitLog("msg=ready", "api="+s.url)
	ks.SetEndpoint(t, s.url)

	s.network = strings.TrimSpace(s.theirs(s.as(s.admin), 0, "network create blue --share -f value -c id").Stdout)
	vni := strings.TrimSpace(s.theirs(s.as(s.admin), 0, "network show blue -f value -c provider:segmentation_id").Stdout)
	s.cloud.WriteInventory(fmt.Sprintf("networks: [{id: %s, name: blue, vni: %s}]\nhosts: []\nports: []\n", s.network, vni))
	s.server.WaitLog("inventory read", "networks=1")
	return s
}

// behindTLS is a server's URL with TLS in front of it.
func behindTLS(t testing.TB, plain string, files product.Files) string {
	t.Helper()
	to, err := url.Parse(plain)
	if err != nil {
		t.Fatal(err)
	}
	door := httptest.NewUnstartedServer(&httputil.ReverseProxy{
		Rewrite:  func(r *httputil.ProxyRequest) { r.SetURL(to) },
		ErrorLog: log.New(io.Discard, "", 0),
	})
	pair, err := tls.LoadX509KeyPair(files.Certificate, files.Key)
	if err != nil {
		t.Fatal(err)
	}
	door.TLS = &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{pair}}
	door.StartTLS()
	t.Cleanup(door.Close)
	return door.URL
}

func content(t testing.TB, file string) string {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// as is the environment of a user, who comes by TLS.
func (s *standing) as(c keystone.Credentials) map[string]string {
	env := environment(s.identity.Environment(c))
	env["OS_AUTH_URL"], env["OS_CACERT"] = s.door.URL(), s.ca
	return env
}

// theirs runs the real client, which must end with a code.
func (s *standing) theirs(env map[string]string, code int, line string) outcome {
	s.t.Helper()
	return s.ended("the real client", s.python.run(order{Args: words(line).args, Env: env}), code, line)
}

// ours runs our client in the same way.
func (s *standing) ours(env map[string]string, code int, line string) outcome {
	s.t.Helper()
	return s.ended("our client", s.our.run("openstack", order{Args: words(line).args, Env: env}), code, line)
}

func (s *standing) ended(who string, got outcome, code int, line string) outcome {
	s.t.Helper()
	if got.Code != code {
		s.t.Errorf("%s: %s: exit code %d, want %d\n%s%s", who, line, got.Code, code, got.Stdout, got.Stderr)
	}
	return got
}

// Neutron's own resources and ours come from one endpoint, whoever asks.
func TestClientsWorkInFrontOfANeutronWithKeystoneAndTLS(t *testing.T) {
	s := newStanding(t)
	run := map[string]func(env map[string]string, code int, line string) outcome{"real": s.theirs, "ours": s.ours}
	names := slices.Sorted(maps.Keys(run))
	for _, name := range names {
		t.Run(name+" as admin and as member", func(t *testing.T) {
			s.t = t
			admin, member := s.as(s.admin), s.as(s.member)
			run := run[name]
			run(admin, 0, "l2gw create rack-"+name+" --device name=sw1,interface_names=eth-"+name+"|100")
			id := strings.TrimSpace(run(admin, 0, "l2gw connection create rack-"+name+" blue -f value -c ID").Stdout)
			if got := run(admin, 0, "l2gw connection show "+id+" -f json").Stdout; !strings.Contains(got, s.network) {
				t.Errorf("the connection is not of the network that Neutron made: %s", got)
			}
			for _, line := range []string{
				"l2gw list", "l2gw show rack-" + name, "l2gw connection list", "l2gw connection show " + id, "l2gw connection delete " + id,
				"l2gw connection create rack-" + name + " blue", "l2gw create x --device name=sw1,interface_names=eth9",
			} {
				if got := run(member, 1, line); !strings.Contains(got.Stderr, "admin privileges") {
					t.Errorf("%s says to a member: %s", line, got.Stderr)
				}
			}
			run(admin, 0, "l2gw connection delete "+id)
			run(admin, 0, "l2gw delete rack-"+name)
		})
		t.Run(name+" trusts nobody else", func(t *testing.T) {
			s.t = t
			for what, ca := range map[string]string{"no authority": "", "Keystone's alone": s.door.CA, "the product's alone": s.cloud.PKI.Dir + "/cacert.pem"} {
				env := s.as(s.admin)
				env["OS_CACERT"] = ca
				if got := run[name](env, 1, "l2gw list"); !strings.Contains(got.Stderr, "certificate") {
					t.Errorf("with %s it says: %s", what, got.Stderr)
				}
				run[name](env, 0, "--insecure l2gw list")
			}
		})
	}
	t.Run("the real client sees Neutron's side", func(t *testing.T) {
		s.t = t
		s.theirs(s.as(s.member), 0, "network create members")
		if got := s.theirs(s.as(s.admin), 0, "extension list --network -f value -c Alias").Stdout; !strings.Contains(got, "l2-gateway-connection\n") || !strings.Contains(got, "provider\n") {
			t.Errorf("extensions: %s", got)
		}
		s.theirs(s.as(s.member), 1, "network create flat --provider-network-type flat")
	})
	t.Run("the neutron client as a library", func(t *testing.T) {
		env := s.as(s.admin)
		env["NETWORK"] = s.network
		env["MEMBER_USERNAME"], env["MEMBER_PASSWORD"], env["MEMBER_PROJECT"] = s.member.User, s.member.Password, s.member.Project
		got := s.python.run(order{Script: "testdata/library.py", Env: env})
		if got.Code != 0 || !strings.Contains(got.Stderr, "\nOK") {
			t.Errorf("%s%s", got.Stdout, got.Stderr)
		}
	})
}
