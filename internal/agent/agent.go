package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"golang.org/x/sync/errgroup"

	"l2gw/internal/fabric"
	"l2gw/internal/vtep"
	"l2gw/ovsdb"
)

// DatabaseOptions say where a database is and how it is to be kept.
type DatabaseOptions struct {
	Name    string // as the operator names it
	Connect ovsdb.Connector
	VTEP    vtep.Options
	// Lock is the OVSDB lock that whoever writes holds; "l2gw" if "".
	Lock string
	// Audit is how often everything is looked at without any cause; 60 s if 0.
	Audit time.Duration

	// deaf drops all events of the switch, for the test that they only wake.
	deaf bool
}

// Options of an Agent.
type Options struct {
	Name      string // host name
	Version   string // of the program
	Databases []DatabaseOptions
	Logger    *slog.Logger
	Now       func() time.Time // time.Now if nil
	// Meter gives what is told of what happens on a database; nil: nothing is.
	Meter func(database string) Meter
}

// Agent keeps the databases of its options.
type Agent struct {
	opts      Options
	databases map[string]*database
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
	a := &Agent{opts: o, databases: map[string]*database{}}
	for _, db := range o.Databases {
		if _, twice := a.databases[db.Name]; twice || db.Name == "" {
			return nil, fmt.Errorf("database %q: each database needs a name of its own", db.Name)
		}
		if db.Lock == "" {
			db.Lock = "l2gw"
		}
		if db.Audit == 0 {
			db.Audit = time.Minute
		}
		client, err := ovsdb.NewClient(ovsdb.ClientOptions{
			Database: vtep.Database, Connect: db.Connect, Tables: vtep.Tables(), Indexes: vtep.Indexes(),
			Backoff: ovsdb.Backoff{Max: maxRedial}, Lock: db.Lock, Logger: o.Logger.With("switch", db.Name),
		})
		if err != nil {
			return nil, fmt.Errorf("database %q: %w", db.Name, err)
		}
		meter := Meter(noMeter{})
		if o.Meter != nil {
			meter = o.Meter(db.Name)
		}
		a.databases[db.Name] = &database{
			name: db.Name, opts: db, agent: o.Name, log: o.Logger, now: o.Now, client: client, meter: meter,
			inbox: newInbox(), replica: fabric.NewReplica(), waiting: map[string]time.Time{}, told: newTold(),
		}
	}
	return a, nil
}

// Run works with one controller until the stream or ctx ends. It runs once.
func (a *Agent) Run(ctx context.Context, stream fabric.AgentStream) error {
	defer stream.Close()
	hello := fabric.Hello{Protocol: fabric.ProtocolVersion, Agent: a.opts.Name, Version: a.opts.Version}
	for name := range a.databases {
		hello.Databases = append(hello.Databases, fabric.Holding{Database: name})
	}
	if err := stream.Send(ctx, hello); err != nil {
		return err
	}
	g, ctx := errgroup.WithContext(ctx)
	for _, d := range a.databases {
		d.send = stream.Send
		g.Go(func() error { return d.client.Run(ctx) })
		g.Go(func() error { return d.run(ctx) })
	}
	g.Go(func() error {
		for {
			m, err := stream.Recv(ctx)
			if err != nil {
				return err
			}
			a.dispatch(m)
		}
	})
	if err := g.Wait(); err != nil && !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

// dispatch hands a message to the database that it is about.
func (a *Agent) dispatch(m fabric.ToAgent) {
	if d := a.databases[m.About()]; d != nil { // else Welcome, or a database that we do not have
		d.inbox.put(m)
	}
}
