package oslo

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// write makes files of a test and returns their paths.
func write(t *testing.T, contents ...string) []string {
	t.Helper()
	dir := t.TempDir()
	var paths []string
	for i, c := range contents {
		p := filepath.Join(dir, string(rune('a'+i))+".ini")
		if err := os.WriteFile(p, []byte(c), 0o600); err != nil {
			t.Fatal(err)
		}
		paths = append(paths, p)
	}
	return paths
}

func load(t *testing.T, contents ...string) *Config {
	t.Helper()
	c, err := Load(write(t, contents...), nil)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func expect(t *testing.T, what string, want, got any) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

func noErr(t *testing.T, c *Config) {
	t.Helper()
	if err := c.Err(); err != nil {
		t.Errorf("unexpected: %v", err)
	}
}

// The rules are those of oslo.config's parser and of its documentation, as named.
func TestLinesAreReadAsOsloConfigReadsThem(t *testing.T) {
	for _, row := range []struct{ rule, text, want string }{
		{"name = value, stripped", "[g]\n  \no =  a b \t\n", "a b"},
		{"no space is needed", "[g]\no=a", "a"},
		{"a colon does as well", "[g]\no: a", "a"},
		{"the first of = and : counts", "[g]\no: a=b:c", "a=b:c"},
		{"the first of = and : counts, the other way round", "[g]\no = tcp:1.2.3.4:6640", "tcp:1.2.3.4:6640"},
		{"a value may be empty", "[g]\no =", ""},
		{"double quotes around the value go", "[g]\no = \" a \"", " a "},
		{"single quotes around the value go", "[g]\no = ' a '", " a "},
		{"quotes that differ stay", "[g]\no = 'a\"", "'a\""},
		{"one pair goes only", "[g]\no = ''a''", "'a'"},
		{"a single quote mark is its own pair", "[g]\no = '", ""},
		{"quotes within stay", "[g]\no = a \"b\" c", "a \"b\" c"},
		{"there are no comments behind a value", "[g]\no = a # b ; c", "a # b ; c"},
		{"lines that begin with # or ; are comments", "# c\n;d\n[g]\n#o = no\n;o = no\no = a\n#o = no", "a"},
		{"white space continues, joined by newlines", "[g]\no = a\n  b\n\tc = d\n", "a\nb\nc = d"},
		{"what looks like a comment continues as well if it is indented", "[g]\no = a\n  # b", "a\n# b"},
		{"a value may begin on the next line", "[g]\no =\n  a", "\na"},
		{"only the first line loses its quotes", "[g]\no = 'a'\n  'b'", "a\n'b'"},
		{"the last of several counts", "[g]\no = a\no = b", "b"},
		{"sections may come several times", "[g]\no = a\n[h]\no = c\n[g]\no = b", "b"},
		{"groups are the same in small and capital letters", "[G]\no = a", "a"},
		{"names are not", "[g]\no = a\nO = b", "a"},
		{"ends of lines of other systems", "[g]\r\no = a\r\n  b\r\n", "a\nb"},
		{"a byte of a longer alphabet", "[g]\no = zürich", "zürich"},
		{"no end of line at the end", "[g]\no = a\n  b", "a\nb"},
	} {
		t.Run(row.rule, func(t *testing.T) {
			c := load(t, row.text)
			expect(t, "value", row.want, c.String("g", "o", "not set"))
			noErr(t, c)
		})
	}
}

func TestOnlyDEFAULTInCapitalsIsTheDefaultGroup(t *testing.T) {
	c := load(t, "[DEFAULT]\na = 1\n[default]\nb = 2\n")
	expect(t, "a", "1", c.String("", "a", ""))
	expect(t, "a by its group", "1", c.String("DEFAULT", "a", ""))
	expect(t, "b", "", c.String("DEFAULT", "b", ""))
	expect(t, "b where it stands", "2", c.String("default", "b", ""))
}

func TestOptionsAreFoundByTheirNameWithUnderscores(t *testing.T) {
	c := load(t, "[g]\nsome_option = a\nother-option = b\n")
	expect(t, "asked for with hyphens", "a", c.String("g", "some-option", ""))
	expect(t, "written with hyphens", "", c.String("g", "other_option", ""))
	list := c.Unread()
	if len(list) != 1 || list[0].Name != "other-option" || list[0].Line != 3 {
		t.Errorf("unread: %+v", list)
	}
}

func TestWrongLinesAreNamed(t *testing.T) {
	for _, row := range []struct{ text, want string }{
		{"[g]\nnonsense", `:2: want [section], name = value, or a comment that begins with #: "nonsense"`},
		{"a = b", `:1: a section, [DEFAULT] say, must begin before the first option: "a = b"`},
		{"[g]\n= b", `:2: an option must have a name: "= b"`},
		{"[]", `:1: a section must have a name: "[]"`},
		{"[g] # comment", `:1: a section must end with ]: "[g] # comment"`},
		{"[g]\n  b", `:2: a line that begins with white space goes on with the value above, and there is none: "  b"`},
		{"[g]\na = b\n\n  c", `:4: a line that begins with white space goes on with the value above, and there is none: "  c"`},
		{"[g]\na = b\n# c\n  c", `:4: a line that begins with white space goes on with the value above, and there is none: "  c"`},
		{"[g]\na = \xff", `:2: the line is not UTF-8: "a = \xff"`},
		{"[g]\n" + strings.Repeat("x", 500), `:2: want [section], name = value, or a comment that begins with #: "` + strings.Repeat("x", 80) + `…"`},
	} {
		path := write(t, row.text)
		_, err := Load(path, nil)
		var pe *ParseError
		if !errors.As(err, &pe) {
			t.Fatalf("%q: %v", row.text, err)
		}
		expect(t, "error", path[0]+row.want, strings.ReplaceAll(err.Error(), "�", `\xff`))
	}
}

func TestLaterFilesWinAndDirectoriesAreReadByName(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"10-b.conf": "[g]\no = 10-b\nm = 10-b\n", "20-a.conf": "[g]\no = 20-a\nm = 20-a\n",
		"30.ini": "[g]\no = ini\n", ".99.conf": "[g]\no = hidden\n", "40.conf.bak": "nonsense",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	files := write(t, "[g]\no = first\np = first\nm = one\nm = two\n", "[g]\no = second\nm = three\n")
	c, err := Load(files, []string{dir})
	if err != nil {
		t.Fatal(err)
	}
	expect(t, "the last", "20-a", c.String("g", "o", ""))
	expect(t, "of the first only", "first", c.String("g", "p", ""))
	expect(t, "all", []string{"one", "two", "three", "10-b", "20-a"}, c.Multi("g", "m"))
	expect(t, "none", []string{"x"}, c.Multi("g", "none", "x"))
	noErr(t, c)
}

func TestWhatCannotBeReadIsNamedAllAtOnce(t *testing.T) {
	good := write(t, "[g]\no = a\n", "nonsense")
	_, err := Load([]string{"/no/such.conf", good[0], good[1]}, []string{"/no/such.d"})
	if err == nil || !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("got %v", err)
	}
	for _, want := range []string{"/no/such.conf", "/no/such.d", good[1] + ":1:"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not name %s", err, want)
		}
	}
}

// https://docs.openstack.org/oslo.config/latest/configuration/format.html, "Substitution"
func TestVariablesAreReplaced(t *testing.T) {
	c := load(t, `
[DEFAULT]
dir = /var/lib/l2gw
keys = $dir/keys
host = gw1
shadowed = of DEFAULT
number = 7
loop = a $loop_b
loop_b = b ${loop}
long = $long2$long2$long2$long2$long2$long2$long2$long2$long2$long2
long2 = $long3$long3$long3$long3$long3$long3$long3$long3$long3$long3
long3 = $long4$long4$long4$long4$long4$long4$long4$long4$long4$long4
long4 = $long5$long5$long5$long5$long5$long5$long5$long5$long5$long5
long5 =
[g]
shadowed = of g
a = $keys/$host.key
b = ${keys}/${host}.key
c = ${other.name}:$other.name
d = $$dir \$dir $ $1 ${} ${dir $
e = $shadowed
f = $number
g = $dir, b
h = $missing
i = $state_path/x
j = $DEFAULT.dir
k = $other.name.
l = ${other.missing}
[Other]
name = there
`)
	c.Default("", "state-path", "$dir/state")
	for name, want := range map[string]string{
		"b": "/var/lib/l2gw/keys/gw1.key", "c": "there:there",
		"d": "$dir $dir $ $1 ${} ${dir $", "e": "of g", "i": "/var/lib/l2gw/state/x", "j": "/var/lib/l2gw",
	} {
		expect(t, name, want, c.String("g", name, "wrong"))
	}
	expect(t, "a number", 7, c.IntWithin("g", "f", 0, 0, 9))
	expect(t, "a list", []string{"/var/lib/l2gw", "b"}, c.List("g", "g"))
	expect(t, "in a default", "/var/lib/l2gw/x", c.String("g", "unset", "$dir/x"))
	noErr(t, c)

	// A dot belongs to the name: $host.key is the option key of the group host.
	expect(t, "a", "wrong", c.String("g", "a", "wrong"))
	for _, name := range []string{"h", "k", "l"} {
		expect(t, name, "wrong", c.String("g", name, "wrong"))
	}
	expect(t, "loop", "wrong", c.String("", "loop", "wrong"))
	expect(t, "very many", "wrong", c.String("", "long", "wrong"))
	err := c.Err().Error()
	for _, want := range []string{
		`[g] a = "$keys/$host.key": it refers to $host.key, and [host] has no such option; a dollar sign is written $$`,
		`[g] h = "$missing": it refers to $missing, and [g] and [DEFAULT] has no such option`,
		`a.ini:8: [DEFAULT] loop = "a $loop_b": $loop refers to itself by $loop_b`,
		"more than 10000 variables would have to be replaced",
	} {
		if !strings.Contains(err, want) {
			t.Errorf("no %q in\n%s", want, err)
		}
	}
}

func TestNumbersTruthValuesAndListsAreReadAsOsloConfigReadsThem(t *testing.T) {
	c := load(t, `
[g]
t1 = True
t2 = YES
t3 = 1
t4 = on
f1 = False
f2 = no
f3 = 0
f4 = OFF
i1 = 20
i2 = -5
i3 = " 7 "
i4 =
i5 = +1_000
l1 = a, b ,c,
l2 =
l3 = physnet1:br-a,physnet2:br-b
l4 = "a,b"
l5 = "a", "b"
l6 = x, "a, b", c
l7 = a,,b
l8 = it's, b
l9 = 'n1:[2001:db8::1]:6640', 'n2:10.0.0.1:6640'
l10 = a,
    b
w1 = debug
`)
	for _, n := range []string{"t1", "t2", "t3", "t4"} {
		expect(t, n, true, c.Bool("g", n, false))
	}
	for _, n := range []string{"f1", "f2", "f3", "f4"} {
		expect(t, n, false, c.Bool("g", n, true))
	}
	for n, want := range map[string]int{"i1": 20, "i2": -5, "i3": 7, "i4": 99, "i5": 1000, "none": 99} {
		expect(t, n, want, c.IntWithin("g", n, 99, -10, 10_000))
	}
	for n, want := range map[string][]string{
		"l1": {"a", "b", "c"}, "l2": {}, "l3": {"physnet1:br-a", "physnet2:br-b"}, "l4": {"a", "b"}, "l5": {"a", "b"},
		"l6": {"x", "a, b", "c"}, "l7": {"a", "", "b"}, "l8": {"it's", "b"}, "l9": {"n1:[2001:db8::1]:6640", "n2:10.0.0.1:6640"},
		"l10": {"a", "b"}, "none": {"d"},
	} {
		expect(t, n, want, c.List("g", n, "d"))
	}
	expect(t, "a word", "debug", c.Choice("g", "w1", "info", "debug", "info"))
	expect(t, "has", true, c.Has("g", "i4"))
	expect(t, "has not", false, c.Has("g", "none"))
	noErr(t, c)
	expect(t, "unread", 0, len(c.Unread()))
}

func TestWrongValuesAreNamedWithWhatWouldBeRight(t *testing.T) {
	c := load(t, "[g]\nb = maybe\ni = 20s\np = 70000\nw = loud\nm = 1__0\n")
	expect(t, "b", true, c.Bool("g", "b", true))
	expect(t, "i", 5, c.IntWithin("g", "i", 5, 1, 9))
	expect(t, "i again", 5, c.IntWithin("g", "i", 5, 1, 9))
	expect(t, "p", 6640, c.IntWithin("g", "p", 6640, 0, 65535))
	expect(t, "m", 5, c.IntWithin("g", "m", 5, 1, 99))
	expect(t, "w", "info", c.Choice("g", "w", "info", "debug", "info"))
	lines := strings.Split(c.Err().Error(), "\n")
	for i, want := range []string{
		`:2: [g] b = "maybe": want true or false (also yes/no, on/off, 1/0)`,
		`:3: [g] i = "20s": want a whole number from 1 to 9`,
		`:4: [g] p = "70000": want a whole number from 0 to 65535`,
		`:6: [g] m = "1__0": want a whole number from 1 to 99`,
		`:5: [g] w = "loud": want one of debug, info`,
	} {
		if i >= len(lines) || !strings.HasSuffix(lines[i], "a.ini"+want) {
			t.Errorf("want %s in\n%s", want, strings.Join(lines, "\n"))
		}
	}
	expect(t, "errors", 5, len(lines))
	var ve *ValueError
	if !errors.As(c.Err(), &ve) || ve.Name != "b" || ve.Line != 2 {
		t.Errorf("got %+v", ve)
	}
}

// oslo.config looks file by file, the last first, and in each for the new name first.
func TestOldNamesAreFound(t *testing.T) {
	c := load(t, "[g]\nnew = 1\nm = 1\n[old]\nm = 0\n", "[old]\nformer = 2\nm = 2\n", "[x]\ny = 1\n")
	c.Deprecated("g", "new", "old", "former")
	c.Deprecated("g", "m", "old", "")
	expect(t, "value", "2", c.String("g", "new", ""))
	expect(t, "all", []string{"0", "1", "2"}, c.Multi("g", "m"))
	list := c.Unread()
	if len(list) != 1 || list[0].Group != "x" || list[0].Name != "y" {
		t.Errorf("unread: %+v", list)
	}
}

func TestTheEnvironmentWinsOverFiles(t *testing.T) {
	c := load(t, "[ovsdb]\novsdb_hosts = a:b:1\n[DEFAULT]\ndebug = no\n")
	env := map[string]string{"OS_OVSDB__OVSDB_HOSTS": "c:d:2", "OS_DEFAULT__DEBUG": "perhaps", "OS_OVSDB__ONLY": "e"}
	c.UseEnvironment(func(n string) (string, bool) { v, ok := env[n]; return v, ok })
	expect(t, "hosts", "c:d:2", c.String("ovsdb", "ovsdb_hosts", ""))
	expect(t, "of the environment only", []string{"e"}, c.Multi("ovsdb", "only"))
	c.Bool("", "debug", false)
	expect(t, "error", `environment variable OS_DEFAULT__DEBUG: [DEFAULT] debug = "perhaps": want true or false (also yes/no, on/off, 1/0)`, c.Err().Error())
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		"[DEFAULT]\na = $b\nb = ${a}\n", "[g]\no = 'a\n  b'\n", "[ovsdb]\novsdb_hosts = 'n:[::1]:6640,\"m:h:1\"'\n", "[]\n", " x", "[g]\n=\n", "[g]\r\na:b\r c",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		all, err := parse("f", strings.NewReader(text))
		var pe *ParseError
		if err != nil {
			if !errors.As(err, &pe) || pe.Line < 1 || pe.Line > 1+strings.Count(text, "\n")+strings.Count(text, "\r") {
				t.Fatalf("error %v", err)
			}
			return
		}
		c, _ := Load(nil, nil)
		c.take("f", all)
		for _, a := range all {
			if a.section == "" || a.name == "" || a.line < 1 {
				t.Fatalf("%+v", a)
			}
			// Written again with one section, name and value each, it is read as the same.
			if strings.ContainsAny(a.value, "\n") {
				continue
			}
			again, err := parse("f", strings.NewReader("["+a.section+"]\n"+a.name+" = \""+a.value+"\"\n"))
			if err != nil || len(again) != 1 || again[0].value != a.value || again[0].name != a.name || again[0].section != a.section {
				t.Fatalf("%+v came back as %+v, %v", a, again, err)
			}
			o := option{groupOf(a.section), a.name}
			if v, ok := c.value(o); !ok || v.text != lastOf(all, o) {
				t.Fatalf("%v is %q", o, v.text)
			}
			c.String(a.section, a.name, "")
			c.List(a.section, a.name)
			c.IntWithin(a.section, a.name, 0, 0, 9)
			c.Bool(a.section, a.name, false)
			c.Multi(a.section, a.name)
		}
		_ = c.Err()
		c.Unread()
	})
}

func lastOf(all []assignment, o option) string {
	text := ""
	for _, a := range all {
		if groupOf(a.section) == o.group && a.name == o.name {
			text = a.value
		}
	}
	return text
}

func TestAPasswordIsInNoError(t *testing.T) {
	for _, text := range []string{
		"[a]\npassword = hunter2$nothing\n", "[a]\nmemcache_secret_key = hunter2$nothing\n", "[a]\nconnection = mysql://u:hunter2$nothing@h/d\n", "[a]\npassword hunter2$nothing\n",
	} {
		path := filepath.Join(t.TempDir(), "a.ini")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		c, err := Load([]string{path}, nil)
		if err == nil {
			for _, name := range []string{"password", "memcache_secret_key", "connection"} {
				c.String("a", name, "")
			}
			err = c.Err()
		}
		if err == nil || strings.Contains(err.Error(), "hunter2") || strings.Contains(err.Error(), "nothing") || !strings.Contains(err.Error(), "a.ini:2") {
			t.Errorf("%q: %v", text, err)
		}
	}
}
