package inventory

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"l2gw"
)

const (
	defaultInterval = 200 * time.Millisecond
	// patience bounds, in intervals, how long a file that never comes to rest is
	// not read.
	patience = 25
	// reread is how often, in intervals, a file is read whose size, time and
	// inode stand still: some tools put the old time back, and the sink is to hear
	// now and then that what it was told is still so. Then LastGood is also tried
	// again if it could not be written.
	reread = 150
)

// FileOptions are the options of a file source.
type FileOptions struct {
	// Path is the YAML file to read.
	Path string
	// LastGood is where the contents that were last read without an error are kept,
	// so that a process that starts beside a broken file knows what was known; ""
	// keeps them in memory alone. No other process may write this file.
	LastGood string
	// Interval is how often the file is looked at; 200 ms if zero. A file is read
	// once it has rested for an interval, so that no half-written one is believed;
	// at the start at once if there is nothing that it could take away.
	Interval time.Duration
	// Logger is slog.Default() if nil.
	Logger *slog.Logger
}

// File is a Source that reads a YAML file and follows its changes.
type File struct {
	opts FileOptions
	log  *slog.Logger

	// Below belongs to Run's goroutine.
	sink      Sink
	have      map[string]*l2gw.Segment // what the sink was told; nil: nothing yet
	told      string                   // the error that the sink was told last; "" if the file is good
	good      digest                   // of the contents in have
	kept      bool                     // LastGood holds those contents
	last      fs.FileInfo              // as last looked at; nil: it was not there
	read      fs.FileInfo              // as last read; nil: not read, or to be read again
	unsettled int                      // intervals since the file began to change
	rested    int                      // intervals since it was read
	started   bool                     // the file's first answer is known
}

type digest [sha256.Size]byte

// NewFile returns a source for the file. Nothing is read before Run.
func NewFile(opts FileOptions) *File {
	if opts.Interval <= 0 {
		opts.Interval = defaultInterval
	}
	if opts.Logger == nil {
		opts.Logger = slog.Default()
	}
	return &File{opts: opts, log: opts.Logger.With("file", opts.Path)}
}

// Run implements Source.
func (f *File) Run(ctx context.Context, sink Sink) error {
	switch {
	case f.opts.Path == "":
		return ErrNoPath
	case f.opts.LastGood != "" && filepath.Clean(f.opts.LastGood) == filepath.Clean(f.opts.Path):
		return fmt.Errorf("inventory: %q is to be read and written: LastGood must be another file", f.opts.Path)
	}
	f.sink = sink
	tick := time.NewTicker(f.opts.Interval)
	defer tick.Stop()
	for ctx.Err() == nil {
		f.look()
		select {
		case <-ctx.Done():
		case <-tick.C:
		}
	}
	return ctx.Err()
}

// look looks at the file once, and reads it if it changed and is at rest.
func (f *File) look() {
	info, err := os.Stat(f.opts.Path)
	if err != nil {
		// A file that is replaced by hand is absent for a moment.
		rested := f.last == nil
		f.last, f.read = nil, nil
		if rested || !f.started {
			f.fail(fmt.Errorf("the inventory cannot be read: %w", err))
		}
		return
	}
	if !info.Mode().IsRegular() { // reading a pipe could take for ever
		f.last, f.read = nil, nil
		f.fail(fmt.Errorf("the inventory cannot be read: %s is not a regular file", f.opts.Path))
		return
	}
	f.rested++
	if f.read != nil && same(f.read, info) && f.rested < reread {
		return
	}
	rested := f.last != nil && same(f.last, info) || time.Since(info.ModTime()) > f.opts.Interval ||
		!f.started && f.last == nil && f.nothingToLose()
	f.last = info
	if f.unsettled++; !rested && f.unsettled < patience {
		return
	}
	began := time.Now()
	text, err := f.readAll(info)
	switch {
	case errors.Is(err, errMoved):
		return
	case err != nil:
		f.fail(fmt.Errorf("the inventory cannot be read: %w", err))
		return
	}
	f.read, f.unsettled, f.rested = info, 0, 0
	f.take(text, began)
}

// nothingToLose reports whether the file may be believed at the start even if it
// was written this moment: nothing was known before that a half-written one
// could take away, or it says what was known.
func (f *File) nothingToLose() bool {
	known, err := os.ReadFile(f.opts.LastGood)
	if f.opts.LastGood == "" || errors.Is(err, fs.ErrNotExist) {
		return true
	}
	text, terr := os.ReadFile(f.opts.Path)
	return err == nil && terr == nil && bytes.Equal(known, text)
}

var errMoved = errors.New("the file changed while it was read")

// readAll reads the file, which must be the one that info describes from the
// first byte to the last.
func (f *File) readAll(info fs.FileInfo) ([]byte, error) {
	file, err := os.Open(f.opts.Path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	text, err := io.ReadAll(file)
	if err != nil {
		return nil, err
	}
	after, err := file.Stat()
	if err != nil {
		return nil, err
	}
	if !same(info, after) {
		return nil, errMoved
	}
	return text, nil
}

func same(a, b fs.FileInfo) bool {
	return a.Size() == b.Size() && a.ModTime().Equal(b.ModTime()) && os.SameFile(a, b)
}

// take tells the sink what text says, which was read from began on.
func (f *File) take(text []byte, began time.Time) {
	sum := digest(sha256.Sum256(text))
	if f.have != nil && sum == f.good {
		f.keep(text)
		f.deliver(Update{Began: began})
		return
	}
	c, err := parse(f.opts.Path, text)
	if err != nil {
		f.fail(err)
		return
	}
	// Kept before it is told: what is kept is never older than what was told.
	f.good, f.kept = sum, false
	f.keep(text)
	var u Update
	u, f.have = c.update(f.have)
	u.Began = began
	f.log.Info("inventory read", "networks", len(f.have), "changed", len(u.Changed), "removed", len(u.Removed))
	f.deliver(u)
}

// fail tells the sink why the file cannot be read, once, and at the start what
// was last known.
func (f *File) fail(err error) {
	if !f.started {
		f.recall()
	}
	f.started = true
	if f.told == err.Error() {
		return
	}
	f.told = err.Error()
	f.log.Warn("inventory not readable, keeping what was known", "error", err)
	f.sink.Inventory(Update{Err: err})
}

// deliver tells the sink of an answer, also of one that is no news.
func (f *File) deliver(u Update) {
	f.started, f.told = true, ""
	f.sink.Inventory(u)
}

// recall tells the sink what was last known before this process started.
func (f *File) recall() {
	if f.opts.LastGood == "" {
		return
	}
	text, err := os.ReadFile(f.opts.LastGood)
	if errors.Is(err, fs.ErrNotExist) {
		return
	}
	var c *contents
	if err == nil {
		c, err = parse(f.opts.LastGood, text)
	}
	if err != nil {
		f.log.Error("last good inventory not usable", "error", err)
		return
	}
	f.good, f.kept = sha256.Sum256(text), true
	var u Update
	u, f.have = c.update(nil)
	f.sink.Inventory(u)
}

// keep writes text to LastGood, whole or not at all. If it cannot, an older one
// must not stay: after a restart it would pass for what was last known.
func (f *File) keep(text []byte) {
	if f.kept {
		return
	}
	if f.opts.LastGood == "" {
		f.kept = true
		return
	}
	if old, err := os.ReadFile(f.opts.LastGood); err == nil && bytes.Equal(old, text) {
		f.kept = true
		return
	}
	if err := replaceFile(f.opts.LastGood, text); err != nil {
		f.log.Error("last good inventory not kept", "error", err)
		_ = os.Remove(f.opts.LastGood)
		return
	}
	f.kept = true
}

// replaceFile gives path new contents. A crash leaves either the old or the new.
func replaceFile(path string, text []byte) (err error) {
	tmp, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".new*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			os.Remove(tmp.Name())
		}
	}()
	_, err = tmp.Write(text)
	if err == nil {
		err = tmp.Sync()
	}
	if cerr := tmp.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return err
	}
	return os.Rename(tmp.Name(), path)
}
