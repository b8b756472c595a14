package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/google/uuid"
	"golang.org/x/sys/unix"
)

// stateDir is a folder of one process.
type stateDir struct {
	path string
	lock *os.File
}

// openStateDir makes the folder if it is missing and sees to it that no other
// process uses it; option is the one that names it.
func openStateDir(option, dir string) (*stateDir, error) {
	fault := func(err error) (*stateDir, error) { return nil, fmt.Errorf("%s: %w", option, err) }
	path, err := filepath.Abs(dir)
	if err != nil {
		return fault(err)
	}
	if err := os.MkdirAll(path, 0o700); err != nil {
		return fault(err)
	}
	f, err := os.OpenFile(filepath.Join(path, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return fault(err)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		f.Close()
		return nil, fmt.Errorf("%s %s: another process works in this folder", option, dir)
	}
	return &stateDir{path, f}, nil
}

func (d *stateDir) close() { d.lock.Close() }

func (d *stateDir) file(name string) string { return filepath.Join(d.path, name) }

// serverID is who a server is to the others, over all its restarts: the holder
// of the controller's lease. It is made once.
func (d *stateDir) serverID() (string, error) {
	name := d.file("server-id")
	data, err := os.ReadFile(name)
	switch {
	case err == nil:
		id, err := uuid.Parse(strings.TrimSpace(string(data)))
		if err != nil {
			return "", fmt.Errorf("%s: it must hold a UUID; remove the file to have a new one made: %w", name, err)
		}
		return id.String(), nil
	case !errors.Is(err, fs.ErrNotExist):
		return "", err
	}
	id := uuid.NewString()
	// Whole or not at all: half an id would be nobody's after a crash.
	if err := os.WriteFile(name+".new", []byte(id+"\n"), 0o600); err != nil {
		return "", err
	}
	return id, os.Rename(name+".new", name)
}
