package pki

import (
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
)

// Followed is what was made of files, and is made anew when they change. Any
// goroutine may call its methods.
type Followed[T any] struct {
	paths []string
	read  func() (T, error)
	tell  func(error)
	value atomic.Pointer[T]

	looking sync.Mutex    // held while the files are looked at and read, which may take long
	states  []os.FileInfo // of the files, before they were read; nil: there was none
	fault   string        // why the files cannot be used as they are; "": they can
}

// Follow reads files. The first reading must succeed. Of each later one tell is
// told: with nil if what it gave is in force, else with why what was read before
// remains so, once for each fault.
func Follow[T any](files []File, read func() (T, error), tell func(error)) (*Followed[T], error) {
	f := &Followed[T]{read: read, tell: tell}
	for _, file := range files {
		f.paths = append(f.paths, file.Path)
	}
	f.states = f.look()
	value, err := read()
	if err != nil {
		return nil, err
	}
	f.value.Store(&value)
	return f, nil
}

// Get returns what is in force. It looks at the files' states, and reads them if
// they have changed. Until they do, it returns the same value. While somebody does so,
// which takes as long as the disk does, all others are given what is in force so far.
func (f *Followed[T]) Get() T {
	if f.looking.TryLock() {
		defer f.looking.Unlock()
		f.follow()
	}
	return *f.value.Load()
}

// follow brings the value up to date. The caller holds looking.
func (f *Followed[T]) follow() {
	states := f.look() // before they are read: what changes meanwhile is seen the next time
	// What makes a faulty file good, such as a permission, need not be in its state.
	if f.fault == "" && unchanged(f.states, states) {
		return
	}
	f.states = states
	value, err := f.read()
	switch {
	case err == nil:
		f.value.Store(&value)
		f.fault = ""
		f.tell(nil)
	case err.Error() != f.fault:
		f.fault = err.Error()
		f.tell(err)
	}
}

func (f *Followed[T]) look() []os.FileInfo {
	all := make([]os.FileInfo, len(f.paths))
	for i, path := range f.paths {
		if info, err := os.Stat(path); err == nil {
			all[i] = info
		}
	}
	return all
}

func unchanged(before, now []os.FileInfo) bool {
	for i, b := range before {
		n := now[i]
		if b == nil || n == nil {
			if b != n {
				return false
			}
			continue
		}
		// Whoever renews by a link or by renaming may keep the time of the file.
		if !os.SameFile(b, n) || !b.ModTime().Equal(n.ModTime()) || b.Size() != n.Size() {
			return false
		}
	}
	return true
}

// Log is what [Follow] may tell: it logs what becomes of the files, which are of
// something, such as "the API".
func Log(log *slog.Logger, of string) func(error) {
	return func(err error) {
		if err != nil {
			log.Warn("files for TLS have changed and cannot be used; what they had before stays in force", "of", of, "error", err)
			return
		}
		log.Info("files for TLS have changed and were read again", "of", of)
	}
}
