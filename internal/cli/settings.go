package cli

import (
	"cmp"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v3"
)

// setting is something of the login that an option --os-NAME, a variable OS_NAME or
// a cloud of clouds.yaml may say, in this order.
type setting struct {
	name  string // with hyphens
	about string // "": an older name, not listed
	auth  bool   // in clouds.yaml it is below auth
	as    string // the name that counts, if it is another
}

var loginSettings = []setting{
	{name: "auth-url", about: "URL of Keystone", auth: true},
	{name: "username", about: "user's name", auth: true},
	{name: "user-id", about: "user's ID", auth: true},
	{name: "user-domain-name", about: "domain of the user, by name", auth: true},
	{name: "user-domain-id", about: "domain of the user, by ID", auth: true},
	{name: "password", about: "user's password; better in the environment, where others do not see it", auth: true},
	{name: "project-name", about: "project to work in, by name", auth: true},
	{name: "project-id", about: "project to work in, by ID", auth: true},
	{name: "tenant-name", auth: true, as: "project-name"},
	{name: "tenant-id", auth: true, as: "project-id"},
	{name: "project-domain-name", about: "domain of the project, by name", auth: true},
	{name: "project-domain-id", about: "domain of the project, by ID", auth: true},
	{name: "domain-name", about: "domain to work in, by name", auth: true},
	{name: "domain-id", about: "domain to work in, by ID", auth: true},
	{name: "default-domain", about: "domain of users and projects that name none (default \"default\")", auth: true},
	{name: "system-scope", about: "all: to work in the system and no project", auth: true},
	{name: "trust-id", about: "ID of a trust to use", auth: true},
	{name: "token", about: "a token, instead of a password", auth: true},
	{name: "application-credential-id", about: "application credential, by ID", auth: true},
	{name: "application-credential-name", about: "application credential, by name, of the user", auth: true},
	{name: "application-credential-secret", about: "its secret", auth: true},
	{name: "endpoint", about: "URL of the API, without looking it up in the catalog", auth: true},
	{name: "url", auth: true, as: "endpoint"},
	{name: "auth-type", about: "password, token, v3applicationcredential, admin_token or none"},
	{name: "auth-strategy", as: "auth-type"},
	{name: "region-name", about: "region of the API"},
	{name: "interface", about: "which endpoint of the catalog: public, internal or admin"},
	{name: "endpoint-type", as: "interface"},
	{name: "network-endpoint-override", about: "URL of the API instead of the catalog's"},
	{name: "cacert", about: "file with the authorities to trust"},
	{name: "cert", about: "file with a client certificate"},
	{name: "key", about: "file with its key"},
}

// addLogin adds the options of the login to all commands.
func (a *app) addLogin(root *cobra.Command) {
	flags := root.PersistentFlags()
	a.options = map[string]*string{}
	for _, s := range loginSettings {
		a.options[s.name] = flags.String("os-"+s.name, "", s.about+" (env "+variable(s.name)+")")
		if s.about == "" {
			flags.Lookup("os-" + s.name).Hidden = true
		}
	}
	flags.StringVar(&a.cloud, "os-cloud", a.env.Getenv("OS_CLOUD"), "name of a cloud in clouds.yaml (env OS_CLOUD)")
	_ = root.RegisterFlagCompletionFunc("os-cloud", func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return a.cloudNames(), cobra.ShellCompDirectiveNoFileComp
	})
	flags.BoolVar(&a.insecure, "insecure", false, "do not check certificates of Keystone and of the API")
	flags.BoolVar(&a.verify, "verify", false, "check them, whatever clouds.yaml says")
	flags.BoolVar(&a.debug, "debug", false, "show requests and answers on standard error, without secrets")
	// What scripts say to the openstack client, and what makes no difference here.
	for _, name := range []string{"os-identity-api-version", "os-network-api-version"} {
		flags.String(name, "", "")
		flags.Lookup(name).Hidden = true
	}
}

func variable(name string) string {
	return "OS_" + strings.ToUpper(strings.ReplaceAll(name, "-", "_"))
}

// yamlMap is a mapping of a clouds file.
type yamlMap = map[string]any

// login is what is known of it: the cloud of clouds.yaml, and over that the
// environment, and over that the options.
type login struct{ cloud, auth yamlMap }

func (l login) get(name string) string {
	from := l.cloud
	for _, s := range loginSettings {
		if s.name == name && s.auth {
			from = l.auth
		}
	}
	if v := from[strings.ReplaceAll(name, "-", "_")]; v != nil {
		return fmt.Sprint(v)
	}
	return ""
}

func (l login) set(s setting, value string) {
	key := strings.ReplaceAll(cmp.Or(s.as, s.name), "-", "_")
	if !s.auth {
		l.cloud[key] = value
		return
	}
	// A name that is given takes the place of an id from further below, and the other way round.
	for _, pair := range [][2]string{
		{"project_name", "project_id"},
		{"username", "user_id"},
		{"user_domain_name", "user_domain_id"},
		{"project_domain_name", "project_domain_id"},
		{"domain_name", "domain_id"},
	} {
		if key == pair[0] {
			delete(l.auth, pair[1])
		}
		if key == pair[1] {
			delete(l.auth, pair[0])
		}
	}
	l.auth[key] = value
}

// settings reads all of it.
func (a *app) settings() (login, error) {
	l := login{yamlMap{}, yamlMap{}}
	if a.cloud != "" {
		cloud, err := a.readCloud(a.cloud)
		if err != nil {
			return l, err
		}
		l.cloud = cloud
		if auth, ok := cloud["auth"].(yamlMap); ok {
			l.auth = auth
		}
		if v, ok := l.cloud["endpoint_type"]; ok && l.cloud["interface"] == nil {
			l.cloud["interface"] = v
		}
	}
	l.cloud["auth"] = l.auth
	layers := []func(setting) string{
		func(s setting) string { return a.env.Getenv(variable(s.name)) },
		func(s setting) string { return *a.options[s.name] },
	}
	for _, layer := range layers {
		// Both of a layer may be said: the id of a project and its name, say.
		given := login{yamlMap{}, yamlMap{}}
		for _, s := range loginSettings {
			if v := layer(s); v != "" {
				l.set(s, v)
				if key := strings.ReplaceAll(cmp.Or(s.as, s.name), "-", "_"); s.auth {
					given.auth[key] = v
				}
			}
		}
		maps.Copy(l.auth, given.auth)
	}
	if a.insecure {
		l.cloud["verify"] = false
	} else if a.verify {
		l.cloud["verify"] = true
	}
	if v := l.get("auth-type"); v == "noauth" {
		l.cloud["auth_type"] = "none"
	} else if v == "keystone" {
		delete(l.cloud, "auth_type")
	}
	return l, nil
}

// cloudFiles are where clouds.yaml may be; the first that is there counts.
func (a *app) cloudFiles() []string {
	if file := a.env.Getenv("OS_CLIENT_CONFIG_FILE"); file != "" {
		return []string{file}
	}
	config := cmp.Or(a.env.Getenv("XDG_CONFIG_HOME"), filepath.Join(a.env.Getenv("HOME"), ".config"))
	var files []string
	for _, dir := range []string{".", filepath.Join(config, "openstack"), "/etc/openstack"} {
		files = append(files, filepath.Join(dir, "clouds.yaml"), filepath.Join(dir, "clouds.yml"))
	}
	return files
}

// readCloud reads a cloud from clouds.yaml, and what secure.yaml beside it adds.
func (a *app) readCloud(name string) (yamlMap, error) {
	files := a.cloudFiles()
	for _, file := range files {
		all, err := readClouds(file)
		if os.IsNotExist(err) {
			continue
		}
		if err != nil {
			return nil, err
		}
		cloud, ok := all[name]
		if !ok {
			there := cmp.Or(strings.Join(slices.Sorted(maps.Keys(all)), ", "), "none")
			return nil, fmt.Errorf("cloud %s was not found in %s: there are %s", name, file, there)
		}
		secure := cmp.Or(a.env.Getenv("OS_CLIENT_SECURE_FILE"), filepath.Join(filepath.Dir(file), "secure.yaml"))
		secrets, err := readClouds(secure)
		if err != nil && !os.IsNotExist(err) {
			return nil, err
		}
		merge(cloud, secrets[name])
		return cloud, nil
	}
	return nil, fmt.Errorf("cloud %s was not found: there is no clouds.yaml; looked for %s", name, strings.Join(files, ", "))
}

// cloudNames are the clouds of clouds.yaml; none if it cannot be read, which is told to
// whoever uses one.
func (a *app) cloudNames() []string {
	for _, file := range a.cloudFiles() {
		all, err := readClouds(file)
		if os.IsNotExist(err) {
			continue
		}
		return slices.Sorted(maps.Keys(all))
	}
	return nil
}

func readClouds(file string) (map[string]yamlMap, error) {
	data, err := os.ReadFile(file) //nolint:gosec // the user's own file
	if err != nil {
		return nil, err
	}
	var body struct {
		Clouds map[string]any `yaml:"clouds"`
	}
	if err := yaml.Unmarshal(data, &body); err != nil {
		text := strings.TrimPrefix(strings.TrimPrefix(err.Error(), "yaml: "), "unmarshal errors:\n  ")
		return nil, fmt.Errorf("%s: %s", file, strings.ReplaceAll(text, "\n  ", "; "))
	}
	clouds := make(map[string]yamlMap, len(body.Clouds))
	for name, v := range body.Clouds {
		cloud, ok := v.(yamlMap)
		if v == nil {
			cloud = yamlMap{}
		} else if !ok {
			return nil, fmt.Errorf("%s: cloud %s is not a mapping: it must have auth, region_name and so on", file, name)
		}
		if _, ok := cloud["auth"].(yamlMap); !ok && cloud["auth"] != nil {
			return nil, fmt.Errorf("%s: auth of cloud %s is not a mapping: it must have auth_url, username and so on", file, name)
		}
		clouds[name] = cloud
	}
	return clouds, nil
}

// merge writes what over says over into.
func merge(into, over yamlMap) {
	for key, v := range over {
		from, okFrom := v.(yamlMap)
		to, okTo := into[key].(yamlMap)
		if okFrom && okTo {
			merge(to, from)
		} else {
			into[key] = v
		}
	}
}
