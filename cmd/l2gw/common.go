package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"

	"github.com/spf13/pflag"

	"l2gw/internal/oslo"
)

// commonOptions are those of the long-running commands that read ini files, as
// the services of OpenStack have them.
type commonOptions struct {
	configFiles, configDirs []string
	logLevel                string
	logFile, logDir         string
	debug                   bool
	ignored                 []string // given, and of no use here
	unknown                 []string // in sections that are ours, and known to nobody
	settings                settings // what filled the others
}

// commonKeys are those of commonOptions that ini files have.
var commonKeys = map[string]key{
	"log-level": {"l2gw", "log_level"},
	"log-file":  {"DEFAULT", "log_file"},
	"log-dir":   {"DEFAULT", "log_dir"},
	"debug":     {"DEFAULT", "debug"},
}

// osloOptions are standard options of oslo.log and oslo.config that packaged
// units pass and that mean nothing here: those with a value, and those without.
var (
	osloOptions = []string{"log-config-append", "log-config", "log_config", "log-date-format", "syslog-log-facility"}
	osloFlags   = []string{
		"verbose", "nodebug", "noverbose", "use-syslog", "nouse-syslog", "use-journal", "nouse-journal", "use-json", "nouse-json",
		"use-stderr", "nouse-stderr", "watch-log-file", "nowatch-log-file",
	}
)

// section is one of an ini file that is all ours to read.
type section struct {
	name string
	read func(*oslo.Config)
}

func (o *commonOptions) addFlags(f *pflag.FlagSet) {
	f.StringArrayVar(&o.configFiles, "config-file", nil, "ini file with options, such as /etc/neutron/neutron.conf (repeatable; later ones win)")
	f.StringArrayVar(&o.configDirs, "config-dir", nil, "folder of *.conf files, which are read in their names' order after --config-file (repeatable)")
	f.StringVar(&o.logLevel, "log-level", "info", "debug, info, warn or error")
	f.BoolVarP(&o.debug, "debug", "d", false, "the same as --log-level debug")
	f.StringVar(&o.logFile, "log-file", "", "file to log to (default standard error)")
	f.StringVar(&o.logDir, "log-dir", "", "folder of --log-file")
	for _, name := range osloOptions {
		f.String(name, "", "not used")
		f.Lookup(name).Hidden = true
	}
	for _, name := range osloFlags {
		short := ""
		if name == "verbose" {
			short = "v"
		}
		f.BoolP(name, short, false, "not used")
		f.Lookup(name).Hidden = true
	}
}

// unread is why ini files could not be read.
type unread struct{ error }

func (e unread) Unwrap() error { return e.error }

// iniFiles are files as a [configuration].
type iniFiles struct{ *oslo.Config }

func (c iniFiles) values(k key, several bool) ([]string, bool) {
	before := len(separate(c.Err()))
	var values []string
	if several || !c.Has(k.section, k.name) {
		values = c.Multi(k.section, k.name)
	} else {
		values = []string{c.String(k.section, k.name, "")}
	}
	return values, len(separate(c.Err())) == before
}

func (c iniFiles) place(k key) string {
	at, _ := c.Where(k.section, k.name)
	return at.String() + ": " + k.String()
}

// fill takes what was not given on the command line from the environment and
// from the ini files. What is no option of the command line, sections read. The error
// names all that is wrong. It is an [unread] one if not even the files could be read.
func (o *commonOptions) fill(flags *pflag.FlagSet, keys map[string]key, sections ...section) error {
	files, err := oslo.Load(o.configFiles, o.configDirs)
	if err != nil {
		return unread{err}
	}
	files.Default("DEFAULT", "state_path", "/var/lib/neutron") // Neutron's own, which its files refer to without setting it
	for _, name := range []string{"policy_file", "policy_dirs", "policy_default_rule"} {
		files.Deprecated("oslo_policy", name, "DEFAULT", name)
	}
	all := map[string]key{}
	maps.Copy(all, commonKeys)
	maps.Copy(all, keys)
	o.settings = settings{keys: all, getenv: os.Getenv, files: iniFiles{files}}
	err = o.settings.apply(flags)
	for _, s := range sections {
		s.read(files)
	}
	err = errors.Join(o.settings.locate(err), files.Err())
	o.unknown = nil
	for _, u := range files.Unread() {
		if is, hint := misspelt(key{u.Group, u.Name}, all, sections); is {
			o.unknown = append(o.unknown, fmt.Sprintf("%s (%s)%s", key{u.Group, u.Name}, u.Origin, hint))
		}
	}
	o.ignored = nil
	for _, name := range slices.Concat(osloOptions, osloFlags) {
		if f := flags.Lookup(name); f != nil && f.Changed {
			o.ignored = append(o.ignored, "--"+name)
		}
	}
	return err
}

// logger is the log that the options want, and how to close it.
func (o *commonOptions) logger() (log *slog.Logger, file *logFile, err error) {
	level := o.logLevel
	if o.debug {
		level = "debug"
	}
	var out io.Writer = os.Stderr
	if o.logFile != "" {
		if file, err = openLog(o.logPath()); err != nil {
			return nil, nil, fmt.Errorf("--log-file: %w", err)
		}
		out = file
	}
	if log, err = newLogger(level, out); err != nil {
		file.close()
		return nil, nil, err
	}
	if len(o.ignored) > 0 {
		log.Debug("options that mean nothing here are ignored", "options", o.ignored)
	}
	o.warn(log)
	return log, file, nil
}

// warn tells of what may have been meant otherwise.
func (o *commonOptions) warn(log *slog.Logger) {
	if len(o.unknown) > 0 {
		log.Warn("options that nobody knows are ignored; are they misspelt?", "options", strings.Join(o.unknown, ", "))
	}
}

// logPath is the log file's; "" is standard error.
func (o *commonOptions) logPath() string {
	if o.logFile == "" || filepath.IsAbs(o.logFile) {
		return o.logFile
	}
	return filepath.Join(o.logDir, o.logFile)
}

// logFile is a file that others may move away, and that is opened anew then. A
// nil one is standard error.
type logFile struct {
	path string

	mu   sync.Mutex
	file *os.File
}

func openLog(path string) (*logFile, error) {
	l := &logFile{path: path}
	return l, l.reopen()
}

// reopen is for after the file was moved away; on an error the old one goes on.
func (l *logFile) reopen() error {
	if l == nil {
		return nil
	}
	f, err := os.OpenFile(l.path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o640)
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.file != nil {
		l.file.Close()
	}
	l.file = f
	return nil
}

// reopenOnHangup opens the log anew at each SIGHUP, until ctx ends: whoever
// rotates logs sends one. What else changes is followed without any signal.
func reopenOnHangup(ctx context.Context, file *logFile, log *slog.Logger) {
	again := make(chan os.Signal, 1)
	signal.Notify(again, syscall.SIGHUP)
	defer signal.Stop(again)
	for {
		select {
		case <-ctx.Done():
			return
		case <-again:
		}
		if err := file.reopen(); err != nil {
			log.Warn("the log file cannot be opened anew; going on with the one before", "error", err)
		}
	}
}

// Write implements io.Writer.
func (l *logFile) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.file.Write(b)
}

func (l *logFile) close() {
	if l != nil {
		l.file.Close()
	}
}
