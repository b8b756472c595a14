package fabric

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"l2gw/test/product"
)

// firstVersion is the commit with the protocol's first version: what servers and
// agents of all later ones must work with, so that they can be upgraded one by one.
const firstVersion = "d71dddd761552210ac98aa821e1fcc03c66c6c8c"

var first struct {
	once sync.Once
	path string
	err  error
}

// firstBinary builds the binary of firstVersion, once.
func firstBinary(t testing.TB) string {
	t.Helper()
	first.once.Do(func() { first.path, first.err = buildFirst() })
	if first.err != nil {
		t.Fatal(first.err)
	}
	return first.path
}

// removeFirst removes what firstBinary built.
func removeFirst() {
	if first.path != "" {
		os.RemoveAll(filepath.Dir(first.path))
	}
}

func buildFirst() (path string, err error) {
	git := func(args ...string) ([]byte, error) {
		var stderr bytes.Buffer
		cmd := exec.Command("git", args...)
		cmd.Stderr = &stderr
		out, err := cmd.Output()
		if err != nil {
			return nil, fmt.Errorf("git %s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(stderr.String()))
		}
		return bytes.TrimSpace(out), nil
	}
	root, err := git("rev-parse", "--show-toplevel")
	if err != nil {
		return "", fmt.Errorf("the binary of the protocol's first version is built from the history, which is not here: clone the repository with git (%w)", err)
	}
	if _, err := git("cat-file", "-e", firstVersion+"^{commit}"); err != nil {
		return "", fmt.Errorf("the history lacks commit %s, the protocol's first version: run `git fetch --unshallow` (%w)", firstVersion, err)
	}
	dir, err := os.MkdirTemp("", "l2gw-first")
	if err != nil {
		return "", err
	}
	defer func() {
		if err != nil {
			os.RemoveAll(dir)
		}
	}()
	source := filepath.Join(dir, "source")
	archive := filepath.Join(dir, "source.tar")
	if _, err := git("-C", string(root), "archive", "--output="+archive, firstVersion); err != nil {
		return "", err
	}
	if err := os.Mkdir(source, 0o700); err != nil {
		return "", err
	}
	if out, err := exec.Command("tar", "-xf", archive, "-C", source).CombinedOutput(); err != nil {
		return "", fmt.Errorf("tar: %w: %s", err, out)
	}
	path = filepath.Join(dir, "l2gw")
	args := []string{"build", "-o", path, "-ldflags=-X main.version=first"}
	if os.Getenv("L2GW_TEST_RACE") == "1" {
		args = append(args, "-race")
	}
	cmd := exec.Command("go", append(args, "./cmd/l2gw")...)
	cmd.Dir = source
	cmd.Env = append(os.Environ(), "GOWORK=off")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build of commit %s: %w\n%s", firstVersion, err, out)
	}
	return path, os.RemoveAll(source)
}

// Either end may be the older one: connections are made, followed and ended.
func TestServersAndAgentsOfTheFirstVersionWorkWithThoseOfThisOne(t *testing.T) {
	for name, old := range map[string]func(*lab) []*product.Process{
		"new servers, old agents": func(l *lab) (old []*product.Process) {
			for _, a := range l.Agents {
				old = append(old, a.Process)
			}
			return old
		},
		"old servers, new agents": func(l *lab) (old []*product.Process) {
			for _, s := range l.Servers {
				old = append(old, s.Process)
			}
			return old
		},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLab(t, 20)
			for _, p := range old(l) {
				p.Program = firstBinary(t)
			}
			l.Start()
			c := l.connect()
			l.waitRows(20)
			l.WriteInventory(inventory(25))
			l.waitRows(25)
			l.wipe("one")
			l.waitRows(25)
			l.Servers[1].Disconnect(c)
			l.waitRows(0)
			for _, p := range old(l) {
				if !strings.Contains(p.Log(), "version=first") {
					t.Errorf("%s is not of the first version", p.Name)
				}
			}
		})
	}
}

// Servers first, then agents, one after the other: at each step a host more
// arrives, and no row goes that is wanted.
func TestAnUpgradeOneByOneTakesNoRowAway(t *testing.T) {
	l := newLab(t, 50)
	var all []*product.Process
	for _, s := range l.Servers {
		all = append(all, s.Process)
	}
	for _, a := range l.Agents {
		all = append(all, a.Process)
	}
	for _, p := range all {
		p.Program = firstBinary(t)
	}
	l.Start()
	c := l.connect()
	l.waitRows(50)
	one, two := l.watch("one"), l.watch("two")
	for i, p := range all {
		p.Stop()
		p.Program = ""
		p.Launch()
		l.linked()
		l.WriteInventory(inventory(51 + i))
		l.waitRows(51 + i)
		for _, s := range l.Servers {
			s.WaitStatus(c, "ACTIVE")
		}
		one.nothingLost("after " + p.Name)
		two.nothingLost("after " + p.Name)
	}
	// The witnesses see what goes.
	l.Servers[0].Disconnect(c)
	l.waitRows(0)
	product.Eventually(t, "the witnesses saw all rows go", func() error {
		for _, w := range []*witness{one, two} {
			if _, _, lost := w.counts(); lost < 50+len(all)+1 {
				return fmt.Errorf("switch %s lost %d", w.name, lost)
			}
		}
		return nil
	})
}
