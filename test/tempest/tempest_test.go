package tempest

import (
	"bytes"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"text/template"

	"l2gw/test/cloud"
	"l2gw/test/keystone"
	"l2gw/test/process"
	"l2gw/test/product"

	"github.com/google/go-cmp/cmp"
)

func TestMain(m *testing.M) {
	os.Exit(product.Main{M: keystone.Main{M: m}}.Run())
}

// suite are modules and how many tests of each must pass: our own, and those of
// Tempest's that a Neutron without routers, agents and machines has what they need.
// L2GW_TEMPEST names others to run in their place.
var suite = map[string]int{
	"gateways": 7,
	"tempest.api.network.admin.test_negative_quotas": 1,
	"tempest.api.network.admin.test_quotas":          2,
	"tempest.api.network.test_extensions":            1,
	"tempest.api.network.test_networks_negative":     10,
	"tempest.api.network.test_versions":              2,
}

func TestTempestFindsNeutronAndGateways(t *testing.T) {
	const python = "/usr/bin/python3" // the one that sees Debian's packages
	if _, err := os.Stat("/usr/lib/python3/dist-packages/tempest/api/network"); err != nil {
		t.Fatalf("python3-tempest is needed: run `make deps` (%v)", err)
	}
	c := cloud.New(t)
	dir := t.TempDir()
	extensions := c.Extensions(t)
	if !slices.Contains(extensions, "l2-gateway") {
		t.Errorf("extensions: %q", extensions)
	}
	text, err := template.ParseFiles("testdata/tempest.conf")
	if err != nil {
		t.Fatal(err)
	}
	var conf strings.Builder
	if err := text.Execute(&conf, map[string]any{"Dir": dir, "Admin": c.Admin, "Keystone": c.Keystone.URL(), "Extensions": strings.Join(extensions, ",")}); err != nil {
		t.Fatal(err)
	}
	product.WriteFile(t, filepath.Join(dir, "tempest.conf"), conf.String())

	modules := slices.Sorted(maps.Keys(suite))
	others := strings.Fields(os.Getenv("L2GW_TEMPEST"))
	if len(others) > 0 {
		modules = others
	}
	cmd := exec.Command(python, append([]string{"run.py"}, modules...)...)
	cmd.Dir = "testdata"
	cmd.Env = []string{
		"PATH=/usr/bin:/bin", "LC_ALL=C.UTF-8", "HOME=" + dir, "PYTHONWARNINGS=ignore", "PYTHONDONTWRITEBYTECODE=1",
		"TEMPEST_CONFIG_DIR=" + dir, "TEMPEST_CONFIG=tempest.conf",
	}
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	tempest, err := process.Start(cmd)
	if err != nil {
		t.Fatal(err)
	}
	<-tempest.Exited()
	out := said.Bytes()
	if !tempest.Success() {
		t.Errorf("it failed:\n%s", out)
	}
	if len(others) > 0 {
		t.Logf("%s", out)
		return
	}
	passed := map[string]int{}
	for _, m := range regexp.MustCompile(`(?m)^(\S+)\.[A-Z]\w+\.test_\S+ \.\.\. ok$`).FindAllSubmatch(out, -1) {
		passed[string(m[1])]++
	}
	if diff := cmp.Diff(suite, passed); diff != "" {
		t.Errorf("tests that passed (-want +got):\n%s", diff)
	}
}
