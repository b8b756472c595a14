package agent

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/cespare/xxhash/v2"
	"golang.org/x/sys/unix"

	"l2gw"
	"l2gw/internal/fabric"
)

// diskFormat is the form of the files; those of another are set aside.
const diskFormat = 1

// disk is the folder of Options.StateDir. Per database there are two files: the
// state, which is small and written at once, and the replica, which may be large
// and is written when there is time. Each is written whole or not at all.
type disk struct {
	dir  string
	lock *os.File
	log  *slog.Logger
}

// openDisk makes the folder if it is missing and sees to it that no other agent uses it.
func openDisk(dir string, log *slog.Logger) (*disk, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("state folder: %w", err)
	}
	f, err := os.OpenFile(filepath.Join(dir, "agent.lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("state folder: %w", err)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		f.Close()
		return nil, fmt.Errorf("state folder %s: another agent works in it", dir)
	}
	return &disk{dir, f, log}, nil
}

func (d *disk) close() { d.lock.Close() }

// state is what is remembered of a database besides the replica.
type diskState struct {
	Format    int         `json:"format"`
	Database  string      `json:"database"`
	Grant     diskVersion `json:"grant"`
	Mode      l2gw.Mode   `json:"mode"`
	ModeSince time.Time   `json:"mode_since,omitzero"`
	Holds     holdState   `json:"holds"`
	Orphans   diskOrphans `json:"orphans"`
}

type diskVersion struct {
	Epoch   uint64 `json:"epoch"`
	Counter uint64 `json:"counter"`
}

// diskOrphans is an l2gw.Ownership.
type diskOrphans struct {
	Networks map[string]l2gw.VNI `json:"networks,omitempty"`
	Bindings []diskBinding       `json:"bindings,omitempty"`
}

type diskBinding struct {
	Device    string    `json:"device"`
	Interface string    `json:"interface"`
	VLAN      l2gw.VLAN `json:"vlan"`
	Network   string    `json:"network"`
}

type diskEpoch struct {
	Format int    `json:"format"`
	Epoch  uint64 `json:"epoch"`
}

// readEpoch returns the highest epoch that was seen, 0 if that is not known.
func (d *disk) readEpoch() uint64 {
	var e diskEpoch
	d.read("epoch", func(b []byte) error {
		if err := json.Unmarshal(b, &e); err != nil {
			return err
		}
		return rightFormat(e.Format)
	})
	return e.Epoch
}

// writeEpoch remembers the highest epoch. Where that cannot be done, an agent that
// goes on is better than one that does not: it is told, and nothing more.
func (d *disk) writeEpoch(epoch uint64) {
	if d == nil {
		return
	}
	b, err := json.Marshal(diskEpoch{diskFormat, epoch})
	if err == nil {
		err = d.write("epoch", slices.Values([][]byte{b}))
	}
	if err != nil {
		d.log.Error("the epoch of the controller's lease cannot be remembered: after a restart, this agent may obey a server whose lease has ended", "error", err)
	}
}

func (d *disk) readState(database string) (s diskState, ok bool) {
	ok = d.read(fileName(database)+".state", func(b []byte) error {
		s = diskState{}
		if err := json.Unmarshal(b, &s); err != nil {
			return err
		}
		if s.Database != database {
			return fmt.Errorf("it is of database %q", s.Database)
		}
		return rightFormat(s.Format)
	})
	return s, ok
}

func (d *disk) writeState(s diskState) error {
	s.Format = diskFormat
	b, err := json.MarshalIndent(s, "", "\t")
	if err != nil {
		return err
	}
	return d.write(fileName(s.Database)+".state", slices.Values([][]byte{b}))
}

// replicaHead begins the file of a replica; behind it come the messages of a
// snapshot, and at the end the sum of all before (xxhash, 8 bytes).
func replicaHead(database string) []byte {
	return fmt.Appendf(nil, "l2gw replica, format %d, of database %q\n", diskFormat, database)
}

// readReplica returns the messages that make up the last complete replica, or none.
func (d *disk) readReplica(database string) (messages []fabric.ToAgent) {
	d.read(fileName(database)+".replica", func(b []byte) error {
		head := replicaHead(database)
		if !bytes.HasPrefix(b, head) {
			first, _, _ := bytes.Cut(b[:min(len(b), 200)], []byte("\n"))
			return fmt.Errorf("it begins with %q", first)
		}
		end := len(b) - 8
		if end < len(head) || xxhash.Sum64(b[:end]) != binary.BigEndian.Uint64(b[end:]) {
			return errors.New("its sum is wrong")
		}
		for m, err := range fabric.ReadMessages(bytes.NewReader(b[len(head):end])) {
			if err != nil {
				messages = nil
				return err
			}
			messages = append(messages, m)
		}
		return nil
	})
	return messages
}

func (d *disk) writeReplica(database string, messages []fabric.ToAgent) error {
	var fault error
	err := d.write(fileName(database)+".replica", func(yield func([]byte) bool) {
		sum := xxhash.New()
		put := func(b []byte) bool {
			_, _ = sum.Write(b) // never fails
			return yield(b)
		}
		if !put(replicaHead(database)) {
			return
		}
		if fault = fabric.WriteMessages(putter(put), slices.Values(messages)); fault == nil {
			yield(binary.BigEndian.AppendUint64(nil, sum.Sum64()))
		}
	}, func() error { return fault })
	return err
}

// putter is an io.Writer.
type putter func([]byte) bool

func (p putter) Write(b []byte) (int, error) {
	if !p(b) {
		return 0, fs.ErrClosed // the reason is known to whoever said no
	}
	return len(b), nil
}

// forget removes what is remembered of a database.
func (d *disk) forget(database string) {
	for _, kind := range []string{".state", ".replica"} {
		_ = os.Remove(filepath.Join(d.dir, fileName(database)+kind)) // as good as not read
	}
}

// read reads a file and sets it aside if it is not as it should be.
func (d *disk) read(name string, parse func([]byte) error) bool {
	path := filepath.Join(d.dir, name)
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false
	}
	if err == nil {
		err = parse(b)
	}
	if err == nil {
		return true
	}
	aside := path + ".unreadable"
	if moved := os.Rename(path, aside); moved != nil {
		aside = "nowhere: " + moved.Error()
	}
	d.log.Warn("a file cannot be read; going on without what it remembers", "file", path, "set_aside_as", aside, "error", err)
	return false
}

// write makes a file of the pieces, or leaves what was there: the former is
// replaced once the new one is safe on the disk. Checks may find a fault at the end.
func (d *disk) write(name string, pieces iter.Seq[[]byte], checks ...func() error) error {
	path := filepath.Join(d.dir, name)
	f, err := os.OpenFile(path+".new", os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	buffered := newPageWriter(f)
	for b := range pieces {
		if _, err = buffered.Write(b); err != nil {
			break
		}
	}
	if err == nil {
		err = buffered.Flush()
	}
	for _, check := range checks {
		if err == nil {
			err = check()
		}
	}
	if err == nil {
		err = f.Sync()
	}
	if closed := f.Close(); err == nil {
		err = closed
	}
	if err != nil {
		_ = os.Remove(path + ".new")
		return fmt.Errorf("write %s: %w", path, err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		return err
	}
	folder, err := os.Open(d.dir)
	if err != nil {
		return err
	}
	defer folder.Close()
	return folder.Sync()
}

func rightFormat(format int) error {
	if format != diskFormat {
		return fmt.Errorf("its format is %d, and this program knows %d", format, diskFormat)
	}
	return nil
}

// maxFileName is how much of a long name is part of the file's.
const maxFileName = 100

// fileName is a name for files of a database, another for each, whatever it is called.
func fileName(database string) string {
	var b strings.Builder
	for _, c := range []byte(database) {
		if c == '-' || c == '_' || '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02x", c)
		}
	}
	name := b.String()
	if len(name) > maxFileName {
		name = fmt.Sprintf("%s%%%016x", name[:maxFileName], xxhash.Sum64String(database))
	}
	return name
}
