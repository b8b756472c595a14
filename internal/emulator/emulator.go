package emulator

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"time"

	"l2gw/ovsdb"
)

// database is the name of the schema.
const database = "hardware_vtep"

// Options say what is emulated; the zero value is one switch sw1 with the
// tunnel IP 192.0.2.1 and the ports eth1 to eth4, on any free port of 127.0.0.1.
type Options struct {
	// Name of the switch, if Switches is empty; "sw1" if "".
	Name string
	// Switches that share the database.
	Switches []Switch
	// Listen is host:port to listen on for controllers; "127.0.0.1:0" if "".
	Listen string
	// Schema is the switch's; Schema() if nil.
	Schema *ovsdb.Schema
	Logger *slog.Logger // nil is silence
}

// Switch is one Physical_Switch.
type Switch struct {
	Name     string
	TunnelIP string
	Ports    []string
}

// Emulator is a running switch. Its methods may be called from several
// goroutines.
type Emulator struct {
	opts     Options
	log      *slog.Logger
	listener net.Listener
	cancel   context.CancelFunc
	stop     func() bool
	wg       sync.WaitGroup

	mu       sync.Mutex
	switches []Switch // as they are now
	server   *ovsdb.Server
	halt     func() // ends server and what watches it; nil when off
	closed   bool
}

// ErrClosed is returned by the methods of an Emulator after Close.
var ErrClosed = errors.New("the emulated switch is switched off")

// Start switches an emulated switch on; it goes off with Close or when ctx ends.
func Start(ctx context.Context, opts Options) (*Emulator, error) {
	if len(opts.Switches) == 0 {
		name := opts.Name
		if name == "" {
			name = "sw1"
		}
		opts.Switches = []Switch{{Name: name, TunnelIP: "192.0.2.1", Ports: []string{"eth1", "eth2", "eth3", "eth4"}}}
	}
	if opts.Listen == "" {
		opts.Listen = "127.0.0.1:0"
	}
	if opts.Schema == nil {
		opts.Schema = Schema()
	}
	e := &Emulator{opts: opts, log: opts.Logger}
	if e.log == nil {
		e.log = slog.New(slog.DiscardHandler)
	}
	for i, s := range opts.Switches {
		if s.Name == "" {
			return nil, fmt.Errorf("switch %d has no name", i)
		}
		if ip, err := netip.ParseAddr(s.TunnelIP); err != nil || !ip.Is4() {
			return nil, fmt.Errorf("switch %q: tunnel IP %q: it must be an IPv4 address", s.Name, s.TunnelIP)
		}
		s.Ports = append([]string(nil), s.Ports...)
		e.switches = append(e.switches, s)
	}
	var err error
	if e.listener, err = net.Listen("tcp", opts.Listen); err != nil {
		return nil, fmt.Errorf("emulated switch: %w", err)
	}
	if err := e.boot(); err != nil {
		e.listener.Close()
		return nil, fmt.Errorf("emulated switch: %w", err)
	}
	ctx, e.cancel = context.WithCancel(ctx)
	e.wg.Add(1)
	go func() {
		defer e.wg.Done()
		e.accept(ctx)
	}()
	e.stop = context.AfterFunc(ctx, e.off)
	return e, nil
}

// Addr is where the switch listens.
func (e *Emulator) Addr() net.Addr { return e.listener.Addr() }

// Endpoint is Addr as OVSDB clients write it: tcp:HOST:PORT.
func (e *Emulator) Endpoint() string { return "tcp:" + e.Addr().String() }

// Server gives access to the database itself. After Wipe it is another one.
func (e *Emulator) Server() *ovsdb.Server {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.server
}

// Close switches it off; clients are dropped, and all of its goroutines have
// ended when it returns.
func (e *Emulator) Close() error {
	e.stop() // before off, which ends the context that it waits for
	e.off()
	e.wg.Wait()
	return nil
}

// off may run more than once.
func (e *Emulator) off() {
	e.cancel()
	e.listener.Close()
	e.mu.Lock()
	defer e.mu.Unlock()
	e.closed = true
	e.shutDown()
}

// Wipe is a switch that was replaced: sessions drop, and it comes back with a
// database in which there are only its switches and ports, as new rows.
func (e *Emulator) Wipe() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return ErrClosed
	}
	e.shutDown()
	return e.boot()
}

// boot starts a server with the switches' rows. It is called with e.mu held,
// or before anyone else has e.
func (e *Emulator) boot() error {
	server, err := ovsdb.NewServer(ovsdb.ServerOptions{Schemas: []*ovsdb.Schema{e.opts.Schema}, Logger: e.log})
	if err != nil {
		return err
	}
	var ops []ovsdb.Op
	var switches []ovsdb.NamedUUID
	for i, s := range e.switches {
		var ports []ovsdb.NamedUUID
		for j, p := range s.Ports {
			name := fmt.Sprintf("port_%d_%d", i, j)
			ports = append(ports, ovsdb.NamedUUID(name))
			ops = append(ops, ovsdb.Insert("Physical_Port", name, ovsdb.Cell{Column: "name", Value: p}))
		}
		name := fmt.Sprintf("switch_%d", i)
		switches = append(switches, ovsdb.NamedUUID(name))
		ip := ovsdb.NewSet(s.TunnelIP)
		ops = append(ops, ovsdb.Insert("Physical_Switch", name,
			ovsdb.Cell{Column: "name", Value: s.Name},
			ovsdb.Cell{Column: "description", Value: "emulated switch"},
			ovsdb.Cell{Column: "management_ips", Value: ip},
			ovsdb.Cell{Column: "tunnel_ips", Value: ip},
			ovsdb.Cell{Column: "ports", Value: ovsdb.SetOf(ports)}))
	}
	ops = append(ops, ovsdb.Insert("Global", "", ovsdb.Cell{Column: "switches", Value: ovsdb.SetOf(switches)}))
	if _, err := server.Transact(database, ops...); err != nil {
		_ = server.Close()
		return err
	}
	changed, unwatch, err := server.Watch(database)
	if err != nil {
		_ = server.Close()
		return err
	}
	e.server = server
	ctx, cancel := context.WithCancel(context.Background())
	var behaving sync.WaitGroup
	behaving.Add(1)
	go func() {
		defer behaving.Done()
		defer unwatch()
		behave(ctx, server, changed, e.log)
	}()
	e.halt = func() {
		cancel()
		behaving.Wait()
		_ = server.Close()
	}
	return nil
}

// shutDown ends what boot started. It is called with e.mu held.
func (e *Emulator) shutDown() {
	if e.halt != nil {
		e.halt()
		e.halt = nil
	}
}

// accept gives each client to the server that runs at the moment.
func (e *Emulator) accept(ctx context.Context) {
	for {
		c, err := e.listener.Accept()
		if ctx.Err() != nil {
			if err == nil {
				_ = c.Close()
			}
			return
		}
		if err != nil { // such as too many open files: it may pass
			e.log.Error("the emulated switch cannot accept a client", "error", err)
			pause := time.NewTimer(100 * time.Millisecond)
			select {
			case <-pause.C:
			case <-ctx.Done():
			}
			pause.Stop()
			continue
		}
		server := e.Server()
		e.wg.Add(1)
		go func() {
			defer e.wg.Done()
			_ = server.ServeConn(ctx, c) // it logs why the client went
		}()
	}
}
