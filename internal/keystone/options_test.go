package keystone_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"l2gw/internal/keystone"
)

const section = `[keystone_authtoken]
auth_url = https://keystone.example.org:5000
auth_type = password
username = neutron
password = hunter22
user_domain_name = Default
project_name = service
project_domain_name = Default
`

func TestTheOptionsThatNeutronHasAreUnderstood(t *testing.T) {
	o, notes, err := read(t, section+`
www_authenticate_uri = https://public.example.org:5000
cafile = /ca.pem
certfile = /cert.pem
keyfile = /key.pem
insecure = true
region_name = RegionOne
interface = public
token_cache_time = 60
http_connect_timeout = 7
http_request_max_retries = 2
service_token_roles = service, admin
service_token_roles_required = True
service_type = net
enforce_token_bind = strict
memcached_servers = controller:11211
memcache_security_strategy = ENCRYPT
memcache_secret_key = hunter23
include_service_catalog = False
delay_auth_decision = True
`)
	if err != nil {
		t.Fatal(err)
	}
	want := keystone.Options{
		AuthURL: "https://keystone.example.org:5000", WWWAuthenticateURI: "https://public.example.org:5000",
		Login: keystone.Login{
			User: "neutron", Password: "hunter22", UserDomain: "Default", Project: "service", ProjectDomain: "Default",
		},
		Interface: "public", Region: "RegionOne", CA: "/ca.pem", Certificate: "/cert.pem", Key: "/key.pem", Insecure: true,
		CacheTime: time.Minute, Timeout: 7 * time.Second, Retries: 2,
		ServiceRoles: []string{"service", "admin"}, ServiceRolesRequired: true, ServiceType: "net", Bind: keystone.BindStrict,
	}
	if got, want := fmt.Sprintf("%+v %q", o, o.Login.Password), fmt.Sprintf("%+v %q", want, want.Login.Password); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if all := strings.Join(notes, "\n"); len(notes) != 4 || !strings.Contains(all, "memcached_servers is ignored") || strings.Contains(all, "hunter") {
		t.Errorf("notes: %s", all)
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
		if text := fmt.Sprintf(verb, o); strings.Contains(text, "hunter") {
			t.Errorf("%s shows the password: %s", verb, text)
		}
	}
}

func TestTheDefaultsAreKeystonemiddlewares(t *testing.T) {
	o, notes, err := read(t, section)
	if err != nil || len(notes) != 0 {
		t.Fatal(err, notes)
	}
	if o.CacheTime != 300*time.Second || o.Retries != 3 || o.ServiceRolesRequired || len(o.ServiceRoles) != 1 || o.ServiceRoles[0] != "service" || o.Bind != keystone.BindPermissive {
		t.Errorf("%+v", o)
	}
	k, err := keystone.New(o)
	if err != nil {
		t.Fatal(err)
	}
	defer k.Close()
	if got := k.Challenge(); got != `Keystone uri="https://keystone.example.org:5000"` {
		t.Errorf("the challenge: %s", got)
	}
}

func TestTheLoginMayStandInAnotherSection(t *testing.T) {
	o, _, err := read(t, "[keystone_authtoken]\nauth_section = login\ntoken_cache_time = 5\nauth_url = http://not-this\n"+strings.Replace(section, "keystone_authtoken", "login", 1))
	if err != nil || o.Login.User != "neutron" || o.AuthURL != "https://keystone.example.org:5000" || o.CacheTime != 5*time.Second {
		t.Errorf("%+v, %v", o, err)
	}
}

func TestOldNamesAndOtherWaysToLogInAreUnderstood(t *testing.T) {
	o, _, err := read(t, "[keystone_authtoken]\nauth_uri = http://old\nauth_url = http://k\nauth_plugin = v3password\nuser_name = u\npassword = p\ntenant_name = t\ndefault_domain_id = default\n")
	if err != nil || o.Login.User != "u" || o.Login.Project != "t" || o.Login.UserDomainID != "default" || o.Login.ProjectDomainID != "default" || o.WWWAuthenticateURI != "http://old" {
		t.Errorf("%+v, %v", o, err)
	}
	o, _, err = read(t, "[keystone_authtoken]\nauth_url = http://k\nauth_type = v3applicationcredential\napplication_credential_id = i\napplication_credential_secret = s\nproject_name = left over\n")
	if err != nil || o.Login.ApplicationCredentialID != "i" || o.Login.AppSecret != "s" || o.Login.Project != "" {
		t.Errorf("%+v, %v", o, err)
	}
}

func TestWhatIsWrongWithTheOptionsIsSaid(t *testing.T) {
	without := func(option string) string {
		var kept []string
		for line := range strings.Lines(section) {
			if !strings.HasPrefix(line, option+" ") {
				kept = append(kept, line)
			}
		}
		return strings.Join(kept, "")
	}
	for _, test := range []struct{ text, want string }{
		{without("auth_url"), "[keystone_authtoken] auth_url is missing"},
		{without("auth_url") + "auth_url = keystone:5000", "auth_url"},
		{without("auth_url") + "auth_url = http://u:hunter22@k", "neither a user nor a query"},
		{without("auth_url") + "auth_url = http://u:hunter22@k:port", "auth_url is no URL"},
		{without("auth_type"), "auth_type is missing"},
		{without("auth_type") + "admin_user = neutron", "admin_user"},
		{without("auth_type") + "auth_type = v3kerberos", "auth_type = v3kerberos: it must be password"},
		{without("auth_type") + "auth_type = v3applicationcredential", "application_credential_id is missing"},
		{without("username"), "username is missing"},
		{without("password"), "password is missing"},
		{without("user_domain_name"), "user_domain_name is missing"},
		{without("project_domain_name"), "project_domain_name is missing"},
		{without("project_name"), "project_name is missing"},
		{section + "keyfile = /k", "keyfile is given without certfile"},
		{
			"[keystone_authtoken]\nauth_type = password\nproject_name = service\nkeyfile = /k\n",
			"[keystone_authtoken] auth_url is missing: it must look like https://keystone.example.org:5000/v3; keyfile is given without certfile; " +
				"username is missing; password is missing; user_domain_name is missing: such as Default; project_domain_name is missing: such as Default",
		},
		{section + "token_cache_time = soon", "token_cache_time"},
		{section + "interface = side", "interface"},
		{section + "insecure = perhaps", "insecure"},
		{without("password") + "password = hunter22$nothing", "password"},
	} {
		_, _, err := read(t, test.text)
		if err == nil || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "hunter") || strings.Contains(err.Error(), "nothing") {
			t.Errorf("%q: %v", test.want, err)
		}
	}
	for _, more := range []string{"cafile = /does/not/exist", "cafile = /dev/null", "certfile = /does/not/exist"} {
		o, _, err := read(t, section+more)
		if err != nil {
			t.Fatal(err)
		}
		option, _, _ := strings.Cut(more, " ")
		if _, err := keystone.New(o); err == nil || !strings.Contains(err.Error(), option) {
			t.Errorf("%s: %v", more, errors.Unwrap(err))
		}
	}
}
