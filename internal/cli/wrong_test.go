package cli_test

import (
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestAWrongCommandLineIsToldInOneLine says what is wrong and what would be right. The
// usage above it and the hint at help below are the same for all.
func TestAWrongCommandLineIsToldInOneLine(t *testing.T) {
	for line, want := range map[string]string{
		"create":                               "l2gw create: error: NAME is missing",
		"connection create a":                  "l2gw connection create: error: NETWORK is missing",
		"delete":                               "l2gw delete: error: GATEWAY is missing",
		"show my rack":                         `l2gw show: error: "rack" is one argument too many: put what has spaces in quotes`,
		"list all":                             `l2gw list: error: "all" is one argument too many`,
		"lst":                                  `l2gw: there is no command "lst": did you mean list?`,
		"connection creat":                     `l2gw connection: there is no command "creat": did you mean create?`,
		"frobnicate":                           `l2gw: there is no command "frobnicate"`,
		"list --timeout 0":                     `l2gw list: error: --timeout "0": it must be at least 1ms`,
		"list --timeout -1s":                   `l2gw list: error: --timeout "-1s": it must be at least 1ms`,
		"list --timeout soon":                  `l2gw list: error: --timeout "soon": it must be a time such as 30s or 5m`,
		"create x --wait --wait-timeout 0":     `l2gw create: error: --wait-timeout "0": it must be at least 1ms`,
		"list --max-width wide":                `l2gw list: error: --max-width "wide": it must be a whole number`,
		"list --debug=maybe":                   `l2gw list: error: --debug "maybe": it must be true or false, or be left out`,
		"list -f xml":                          `l2gw list: error: --format "xml": invalid choice: 'xml' (choose from 'csv', 'json', 'table', 'value', 'yaml')`,
		"list --project a --tenant-id b":       "l2gw list: error: --project and --tenant-id exclude one another",
		"list --sort-asc --sort-desc":          "l2gw list: error: --sort-ascending and --sort-descending exclude one another",
		"device show <empty>":                  `l2gw device show: error: "" is no name`,
		"device pause tor1 ..":                 `l2gw device pause: error: ".." is no name`,
		"agent show .":                         `l2gw agent show: error: "." is no name`,
		"validate <empty>":                     `l2gw validate: error: "" is no name`,
		"show \xff\xfe":                        `l2gw show: error: the argument "\xff\xfe" is not UTF-8`,
		"update a --name \xff":                 `l2gw update: error: --name "\xff" is not UTF-8`,
		"create a --device name=\xff":          `l2gw create: error: --device "name=\xff": it is not UTF-8`,
		"list --endpoint localhost:9697":       `--endpoint "localhost:9697" is not a URL: it must look like http://127.0.0.1:9697`,
		"list --endpoint http://":              `--endpoint "http:" is not a URL: it must look like http://127.0.0.1:9697`,
		"list --endpoint http://[::1":          `--endpoint is not a URL (missing ']' in host): it must look like http://127.0.0.1:9697`,
		"list --endpoint http://a:hush@b:0":    `--endpoint "http://a:xxxxx@b:0": port 0 is none from 1 to 65535`,
		"list --endpoint http://[::1]:99999/x": `--endpoint "http://[::1]:99999/x": port 99999 is none from 1 to 65535`,
		"list --os-auth-url keystone:5000 --os-username u --os-password p --os-project-name p": `--os-auth-url "keystone:5000" is not a URL: it must look like http://127.0.0.1:5000/v3`,
	} {
		args := strings.Fields(line)
		for i := range args {
			args[i] = strings.ReplaceAll(args[i], "<empty>", "")
		}
		code, out, errs := run(t, nil, args...)
		lines := strings.Split(strings.TrimSuffix(errs, "\n"), "\n")
		if strings.Contains(errs, ": error: ") {
			if len(lines) != 3 || !strings.HasPrefix(lines[0], "usage: l2gw ") || !strings.HasPrefix(lines[2], "See 'l2gw ") {
				t.Errorf("%s: %q", line, errs)
				continue
			}
			lines = lines[1:]
		}
		if code != 2 || out != "" || lines[0] != want {
			t.Errorf("%s: %d %q %q\nwant %q", line, code, out, lines[0], want)
		}
	}
}

func TestACloudWithoutALoginAndWithoutAnAPIIsNamed(t *testing.T) {
	file := filepath.Join(t.TempDir(), "clouds.yaml")
	if err := os.WriteFile(file, []byte("clouds: {mine: {auth_type: none, endpoint: 'http://127.0.0.1:1'}, other: {}}"), 0o600); err != nil {
		t.Fatal(err)
	}
	env := map[string]string{"OS_CLIENT_CONFIG_FILE": file}
	code, out, errs := run(t, env, "list", "--os-cloud", "mine", "--endpoint", "http://127.0.0.1:1")
	if code != 1 || out != "" || strings.Contains(errs, "cloud mine") {
		t.Errorf("%d %q %q", code, out, errs)
	}
	// The default may have a server on this machine.
	if code, _, errs := run(t, env, "list", "--os-cloud", "mine"); code != 0 && !strings.HasSuffix(errs, "; cloud mine has neither an auth_url nor an endpoint below auth\n") {
		t.Errorf("%d %q", code, errs)
	}
	if code, out, errs := run(t, env, "__complete", "list", "--os-cloud", ""); code != 0 || !strings.HasPrefix(out, "mine\nother\n:4\n") {
		t.Errorf("%d %q %q", code, out, errs)
	}
}

func TestWhatACloudsFileLacksIsSaid(t *testing.T) {
	file := filepath.Join(t.TempDir(), "clouds.yaml")
	for contents, want := range map[string]string{
		"clouds: [":                         file + ": line 1: did not find expected node content",
		"clouds: 5":                         file + ": line 1: cannot unmarshal !!int `5` into map[string]interface {}",
		"clouds: {mine: hush-hush}":         file + ": cloud mine is not a mapping: it must have auth, region_name and so on",
		"clouds: {mine: {auth: hush}}":      file + ": auth of cloud mine is not a mapping: it must have auth_url, username and so on",
		"":                                  "cloud mine was not found in " + file + ": there are none",
		"clouds: {a: {}, b: {}}":            "cloud mine was not found in " + file + ": there are a, b",
		"clouds: {mine: null}":              "the API at http://127.0.0.1:1 cannot be reached",
		"clouds: {mine: {auth: {}}}":        "the API at http://127.0.0.1:1 cannot be reached",
		"clouds: {mine: {cacert: /nosuch}}": "--os-cacert, --os-cert, --os-key (cacert, cert, key in clouds.yaml): failed to open the CA cert file: open /nosuch: no such file or directory",
	} {
		if err := os.WriteFile(file, []byte(contents), 0o600); err != nil {
			t.Fatal(err)
		}
		env := map[string]string{"OS_CLIENT_CONFIG_FILE": file, "OS_CLOUD": "mine", "OS_NETWORK_ENDPOINT_OVERRIDE": "http://127.0.0.1:1"}
		if strings.Contains(want, "127.0.0.1:1") || strings.Contains(contents, "cacert") {
			env["OS_AUTH_TYPE"] = "none"
		}
		code, out, errs := run(t, env, "list")
		if code != 1 || out != "" || !strings.HasPrefix(errs, want) || strings.Count(errs, "\n") != 1 {
			t.Errorf("%q: %d %q %q\nwant %q", contents, code, out, errs, want)
		}
	}
}

// Whoever takes the one for the other is told which it is.
func TestHTTPAndHTTPSAreTakenForOneAnother(t *testing.T) {
	handler := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, `{"l2_gateways": []}`) })
	plain := httptest.NewServer(handler)
	defer plain.Close()
	secure := httptest.NewUnstartedServer(handler)
	secure.Config.ErrorLog = log.New(io.Discard, "", 0)
	secure.StartTLS()
	defer secure.Close()
	for url, want := range map[string]string{
		strings.Replace(plain.URL, "http:", "https:", 1):  "cannot be reached: it does not speak TLS: name it by http:// instead of https://\n",
		strings.Replace(secure.URL, "https:", "http:", 1): "was answered by a server that speaks TLS: name it by https:// instead of http://\n",
		secure.URL: "give the file of its authority with --os-cacert (OS_CACERT)\n",
	} {
		for _, command := range []string{"list", "create x --device name=ps1,interface_names=eth1"} {
			code, out, errs := run(t, nil, append(strings.Fields(command), "--endpoint", url)...)
			if code != 1 || out != "" || !strings.HasSuffix(errs, want) || strings.Count(errs, "\n") != 1 {
				t.Errorf("%s %s: %d %q %q", command, url, code, out, errs)
			}
		}
		if code, _, errs := run(t, nil, "list", "--insecure", "--endpoint", url); code == 0 != (url == secure.URL) {
			t.Errorf("%s: %d %q", url, code, errs)
		}
	}
}

func TestADeviceThatMeansNothingIsNoted(t *testing.T) {
	api := newWeak(t, false)
	code, _, errs := run(t, map[string]string{"OS_ENDPOINT": api.URL}, "create", "x", "--device", "name=ps1,vlan=7,interface_names=eth1|100|200;eth2")
	want := "Note: --device: the key \"vlan\" means nothing; there are name and interface_names\n" +
		"Note: --device: \"|200\" in \"eth1|100|200\" means nothing; VLANs have # between them\n"
	if code != 0 || errs != want {
		t.Errorf("%d %q", code, errs)
	}
}
