package client

import (
	"regexp"
	"slices"
	"strings"
	"testing"
)

var (
	option   = regexp.MustCompile(`(?m)^  (-[^ ].*?)(?:  .*)?$`)
	long1    = regexp.MustCompile(`--?[a-z][a-z-]*`)
	argument = regexp.MustCompile(`(?m)^  (<[A-Z_0-9/-]+>)`)
)

// TestEveryOptionOfTheRealClientIsOurs reads the real client's help: what it offers,
// ours understands, and help ends with the same exit code.
func TestEveryOptionOfTheRealClientIsOurs(t *testing.T) {
	python, our := newRealClient(t), newOurClient(t)
	for _, command := range []string{
		"l2gw create", "l2gw list", "l2gw show", "l2gw update", "l2gw delete",
		"l2gw connection create", "l2gw connection list", "l2gw connection show", "l2gw connection delete",
	} {
		t.Run(command, func(t *testing.T) {
			o := order{Args: append(strings.Fields("--os-auth-type none --os-endpoint http://127.0.0.1:1 "+command), "--help")}
			theirs, ours := python.run(o), our.run("openstack", o)
			if theirs.Code != 0 || ours.Code != 0 || ours.Stderr != "" {
				t.Fatalf("theirs: %+v\nours: %+v", theirs, ours)
			}
			usage := "usage: openstack " + command
			if !regexp.MustCompile(`^usage: \w+ `+command+" ").MatchString(theirs.Stdout) || !strings.Contains(ours.Stdout, "\n"+usage+" ") {
				t.Errorf("theirs: %s\nours: %s", theirs.Stdout, ours.Stdout)
			}
			var wanted []string
			for _, line := range option.FindAllStringSubmatch(theirs.Stdout, -1) {
				wanted = append(wanted, long1.FindAllString(line[1], -1)...)
			}
			wanted = slices.DeleteFunc(wanted, func(s string) bool { return s == "-h" || s == "--help" })
			if strings.HasSuffix(command, "delete") != (len(wanted) == 0) {
				t.Fatalf("options %q of\n%s", wanted, theirs.Stdout)
			}
			for _, name := range wanted {
				if !regexp.MustCompile(`(?m)^ .*` + regexp.QuoteMeta(name) + `\b`).MatchString(ours.Stdout) {
					t.Errorf("ours has no %s:\n%s", name, ours.Stdout)
				}
			}
			// Arguments: as many places, named in capitals.
			line := ours.Stdout[strings.Index(ours.Stdout, usage)+len(usage):]
			line, _, _ = strings.Cut(line, "\n")
			places := slices.DeleteFunc(strings.Fields(line), func(s string) bool { return s == "[options]" })
			if want := len(argument.FindAllString(theirs.Stdout, -1)); len(places) != want {
				t.Errorf("ours has the arguments %q, theirs %d:\n%s", places, want, theirs.Stdout)
			}
		})
	}
	// What is no command ends alike.
	for _, line := range []string{"l2gw", "l2gw bogus", "l2gw connection", "l2gw connection bogus", "help l2gw list", "l2gw list --bogus"} {
		o := order{Args: strings.Fields("--os-auth-type none --os-endpoint http://127.0.0.1:1 " + line)}
		theirs, ours := python.run(o), our.run("openstack", o)
		if theirs.Code != ours.Code {
			t.Errorf("%s: exit code %d, and ours %d: %s", line, theirs.Code, ours.Code, ours.Stderr)
		}
	}
}
