package agent

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"reflect"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"l2gw"
	"l2gw/internal/fabric"
	"l2gw/internal/vtep"
	"l2gw/ovsdb"
)

// DatabaseOptions say where a database is and how it is to be kept.
type DatabaseOptions struct {
	Name string // as the operator names it
	// Connect leads to the database. Two options with the same Connector (==) are
	// of the same switch, reached in the same way.
	Connect ovsdb.Connector
	VTEP    vtep.Options
	// Lock is the OVSDB lock that whoever writes holds; "l2gw" if "".
	Lock string
	// Audit is how often everything is looked at without any cause; 60 s if 0.
	Audit time.Duration
	// Pace is how many operations per second are written; 0: as many as the switch takes.
	Pace int
	// Mode is what is done with the database until an operator says otherwise,
	// which is then remembered in Options.StateDir.
	Mode l2gw.Mode

	// deaf drops all events of the switch, for the test that they only wake.
	deaf bool
}

// Server is a server that the agent keeps a stream with.
type Server struct {
	Name string // for logs, and to tell it from others
	// Dial makes a new stream. It is called again, with backoff, whenever there is none.
	Dial func(context.Context) (fabric.AgentStream, error)
}

// Options of an Agent.
type Options struct {
	Name      string // host name
	Version   string // of the program
	Servers   []Server
	Databases []DatabaseOptions
	// StateDir is the folder that remembers over a restart what must be held;
	// "": nothing is remembered. No two agents may use the same.
	StateDir string
	// HoldShare and HoldMinimum say which removals are held: of more than this
	// share of a network's rows, or of a database's rows of ours over one pass,
	// and of more rows than the minimum. 0.3 and 10 if 0; a share of 1 holds nothing.
	HoldShare   float64
	HoldMinimum int
	// Audit gets a line of JSON for each transaction; nil: nothing is recorded.
	Audit  io.Writer
	Logger *slog.Logger
	Now    func() time.Time // time.Now if nil
	// Meter gives what is told of what happens on a database; nil: nothing is.
	Meter func(database string) Meter
}

// Agent keeps the databases of its options as its servers' controller wants them.
type Agent struct {
	opts  Options
	log   *slog.Logger
	links []*link
	disk  *disk    // nil until Run, and without a StateDir
	audit *auditor // nil until Run, and without Options.Audit
	epoch atomic.Uint64

	setting sync.Mutex // one SetDatabases at a time; taken before mu

	mu        sync.Mutex
	running   context.Context // of Run while it runs, else nil
	databases map[string]*database
	obeyed    *session              // the controller's stream, or nil
	sessions  map[*session]struct{} // all streams
}

// maxRedial bounds the wait between two attempts to reach a switch: one that
// comes back empty forwards nothing until it is found.
const maxRedial = 2 * time.Second

// New makes an agent. It returns an error that names the database if one of
// them cannot be what it is said to be.
func New(o Options) (*Agent, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.HoldShare < 0 || o.HoldShare > 1 || o.HoldMinimum < 0 {
		return nil, fmt.Errorf("a hold share of %v and a minimum of %d: the share must be between 0 and 1, and the minimum not negative", o.HoldShare, o.HoldMinimum)
	}
	a := &Agent{opts: o, log: o.Logger, databases: map[string]*database{}, sessions: map[*session]struct{}{}}
	for _, s := range o.Servers {
		if s.Dial == nil || slices.ContainsFunc(a.links, func(l *link) bool { return l.server.Name == s.Name }) {
			return nil, fmt.Errorf("server %q: each server needs a name of its own and a way to it", s.Name)
		}
		a.links = append(a.links, &link{agent: a, server: s, log: o.Logger.With("server", s.Name)})
	}
	if err := a.SetDatabases(o.Databases); err != nil {
		return nil, err
	}
	return a, nil
}

// Run works until ctx ends; databases are kept whether or not a server is there.
// It runs once. The error is that of the StateDir.
func (a *Agent) Run(ctx context.Context) error {
	if a.opts.StateDir != "" {
		d, err := openDisk(a.opts.StateDir, a.log)
		if err != nil {
			return err
		}
		defer d.close()
		a.setting.Lock()
		a.disk = d
		a.setting.Unlock()
		a.epoch.Store(d.readEpoch())
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	a.setting.Lock()
	if a.opts.Audit != nil {
		a.audit = newAuditor(a.opts.Audit, a.opts.Now, a.logAudit)
		defer func() {
			if !a.audit.close() {
				a.log.Warn("the last records of the audit could not be written")
			}
		}()
	}
	a.mu.Lock()
	all := slices.Collect(maps.Values(a.databases))
	a.mu.Unlock()
	for _, d := range all {
		d.load(a.disk)
	}
	a.mu.Lock()
	a.running = ctx
	for _, d := range all {
		d.start(ctx)
	}
	a.mu.Unlock()
	a.setting.Unlock()
	var links sync.WaitGroup
	for _, l := range a.links {
		links.Go(func() { l.run(ctx) })
	}
	<-ctx.Done()
	links.Wait()
	a.setting.Lock()
	defer a.setting.Unlock()
	a.mu.Lock()
	a.running = nil
	all = slices.Collect(maps.Values(a.databases))
	a.mu.Unlock()
	for _, d := range all {
		d.stop()
	}
	return nil
}

// SetDatabases adds and removes databases. One that is removed, its switch
// included, is left as it is; one with other options than before begins anew.
// The error names the database that cannot be what it is said to be, and
// nothing has changed then.
func (a *Agent) SetDatabases(options []DatabaseOptions) error {
	a.setting.Lock()
	defer a.setting.Unlock()
	a.mu.Lock()
	old := maps.Clone(a.databases)
	a.mu.Unlock()
	next := map[string]*database{}
	for _, o := range options {
		if _, twice := next[o.Name]; twice || o.Name == "" {
			return fmt.Errorf("database %q: each database needs a name of its own", o.Name)
		}
		if d := old[o.Name]; d != nil && sameOptions(d.given, o) {
			next[o.Name] = d
			continue
		}
		d, err := a.newDatabase(o)
		if err != nil {
			return fmt.Errorf("database %q: %w", o.Name, err)
		}
		next[o.Name] = d
	}
	changed := len(next) != len(old)
	for name, d := range old {
		if next[name] == d {
			continue
		}
		changed = true
		a.mu.Lock()
		delete(a.databases, name) // nothing more is said to it
		a.mu.Unlock()
		d.stop()
		if n := next[name]; n != nil {
			n.inherit(d)
		} else if a.disk != nil {
			a.disk.forget(name)
		}
		a.log.Info("the switch database is let go of; what it holds stays", "database", name, "comes_back", next[name] != nil)
	}
	for name, d := range next {
		if old[name] == nil {
			d.load(a.disk)
		}
	}
	a.mu.Lock()
	a.databases = next
	for name, d := range next {
		if a.running != nil && old[name] != d {
			d.start(a.running)
		}
	}
	streams := slices.Collect(maps.Keys(a.sessions))
	a.mu.Unlock()
	if changed {
		for _, s := range streams {
			s.end(errOtherDatabases) // what there is, is told in Hello alone
		}
	}
	return nil
}

// sameOptions tells whether two options mean the same.
func sameOptions(a, b DatabaseOptions) bool {
	if a.Connect != nil && !reflect.ValueOf(a.Connect).Comparable() || b.Connect != nil && !reflect.ValueOf(b.Connect).Comparable() {
		return false
	}
	same := a.Connect == b.Connect
	a.Connect, b.Connect = nil, nil
	return same && reflect.DeepEqual(a, b)
}

func (a *Agent) newDatabase(o DatabaseOptions) (*database, error) {
	given := o
	if o.Lock == "" {
		o.Lock = "l2gw"
	}
	if o.Audit == 0 {
		o.Audit = time.Minute
	}
	switch {
	case o.Pace < 0:
		return nil, fmt.Errorf("a pace of %d operations per second: it must be 0 (unlimited) or more", o.Pace)
	case o.Mode != l2gw.ModeRun && o.Mode != l2gw.ModeObserve && o.Mode != l2gw.ModePaused:
		return nil, fmt.Errorf("mode %q: it must be %q, %q or empty", o.Mode, l2gw.ModeObserve, l2gw.ModePaused)
	}
	client, err := ovsdb.NewClient(ovsdb.ClientOptions{
		Database: vtep.Database, Connect: o.Connect, Tables: vtep.Tables(), Indexes: vtep.Indexes(),
		Backoff: ovsdb.Backoff{Max: maxRedial}, Lock: o.Lock, LockLater: true, Logger: a.log.With("switch", o.Name),
	})
	if err != nil {
		return nil, err
	}
	meter := Meter(noMeter{})
	if a.opts.Meter != nil {
		meter = a.opts.Meter(o.Name)
	}
	d := &database{
		name: o.Name, opts: o, given: given, agent: a, log: a.log, now: a.opts.Now, client: client, meter: meter,
		inbox: newInbox(), replica: fabric.NewReplica(), waiting: map[string]time.Time{}, told: newTold(),
		reports: newReports(o.Name), because: map[string][]string{}, unbound: map[l2gw.BindingKey]string{},
		pace: newPace(o.Pace, 0, a.opts.Now), mode: o.Mode, holds: newHolds(a.opts.HoldShare, a.opts.HoldMinimum),
	}
	d.holds.tell = d.logHeld
	return d, nil
}
