package ovsdb

import (
	"context"
	"crypto/tls"
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
	"time"
)

// managerKey identifies a row of a table Manager, as in hardware_vtep.
type managerKey struct {
	db  *database
	row UUID
}

// manager keeps up the connection that one row of a table Manager asks for:
// the server dials its target (tcp:, ssl:, unix:) or listens there (ptcp:,
// pssl:, punix:).
type manager struct {
	key    managerKey
	config managerConfig
	cancel context.CancelFunc
}

type managerConfig struct {
	target     string
	probe      time.Duration // 0 for never
	maxBackoff time.Duration
}

// Backoff of a manager's connection, as ovsdb-server has it.
const (
	minManagerBackoff     = time.Second
	defaultManagerBackoff = 8 * time.Second
	defaultManagerProbe   = 5 * time.Second
	// A port on which we could not listen is often one that a manager before
	// this one is about to give up.
	minListenBackoff = 50 * time.Millisecond
)

// reconcileManagers starts and ends managers until there is one for each row.
// It is called with s.mu held.
func (s *Server) reconcileManagers(d *database) {
	t := d.tables["Manager"]
	if _, ok := t.at["target"]; !ok {
		return
	}
	for key, m := range s.managers {
		if r := t.rows[key.row]; key.db == d && (r == nil || managerConfigOf(r) != m.config) {
			m.cancel()
			delete(s.managers, key)
		}
	}
	for u, r := range t.rows {
		key := managerKey{d, u}
		if s.managers[key] != nil || s.closed {
			continue
		}
		ctx, cancel := context.WithCancel(s.ctx)
		m := &manager{key: key, config: managerConfigOf(r), cancel: cancel}
		s.managers[key] = m
		s.wg.Add(1)
		go func() {
			defer s.wg.Done()
			defer cancel()
			s.manage(ctx, m)
		}()
	}
}

func managerConfigOf(r *dbRow) managerConfig {
	milliseconds := func(column string, otherwise time.Duration) time.Duration {
		if at, ok := r.table.at[column]; ok {
			if n, ok := one(r.value(at)).(int64); ok && n >= 0 {
				return min(time.Duration(min(n, 1e9))*time.Millisecond, 24*time.Hour)
			}
		}
		return otherwise
	}
	target, _ := one(r.value(r.table.at["target"])).(string)
	return managerConfig{
		target:     target,
		probe:      milliseconds("inactivity_probe", defaultManagerProbe),
		maxBackoff: max(minManagerBackoff, milliseconds("max_backoff", defaultManagerBackoff)),
	}
}

// manage connects again and again until ctx ends.
func (s *Server) manage(ctx context.Context, m *manager) {
	e, err := ParseEndpoint(m.config.target)
	if err != nil {
		s.log.Warn("a manager's target is not understood", "error", err)
		s.setStatus(m, false, Pair{"state", "VOID"}, Pair{"last_error", err.Error()})
		return
	}
	if e.Passive {
		s.manageListener(ctx, m, e)
		return
	}
	var since, until time.Time // of the last connection
	backoff := minManagerBackoff
	for ctx.Err() == nil {
		s.setStatus(m, false, append(ages(since, until), Pair{"state", "CONNECTING"})...)
		dialCtx, cancel := context.WithTimeout(ctx, max(m.config.probe, time.Second))
		conn, err := Dial(dialCtx, m.config.target, s.opts.TLS)
		cancel()
		if err == nil {
			since, until = time.Now(), time.Time{}
			s.setStatus(m, true, append(ages(since, until), Pair{"state", "ACTIVE"})...)
			err = s.serve(ctx, conn, m.config.probe)
			if until = time.Now(); until.Sub(since) > m.config.maxBackoff {
				backoff = minManagerBackoff
			}
		}
		if ctx.Err() != nil {
			return
		}
		s.log.Info("a manager is not connected", "target", m.config.target, "error", err)
		s.setStatus(m, false, append(ages(since, until), Pair{"state", "BACKOFF"}, Pair{"last_error", err.Error()})...)
		select {
		case <-time.After(backoff - rand.N(backoff/10)): // #nosec G404 -- spreads load, keeps no secret
		case <-ctx.Done():
		}
		backoff = min(2*backoff, m.config.maxBackoff)
	}
}

// manageListener serves a manager that is to dial us.
func (s *Server) manageListener(ctx context.Context, m *manager, e Endpoint) {
	backoff := minListenBackoff
	for ctx.Err() == nil {
		l, err := listenPassive(m.config.target, s.opts.TLS)
		if err == nil {
			backoff = minListenBackoff
			pairs := []Pair{{"state", "ACTIVE"}}
			if a, ok := l.Addr().(*net.TCPAddr); ok {
				pairs = append(pairs, Pair{"bound_port", strconv.Itoa(a.Port)})
			}
			s.setStatus(m, false, pairs...)
			if err = s.accept(ctx, l, m.config.probe); err == nil {
				return
			}
		}
		s.log.Warn("cannot listen for a manager", "target", e.String(), "error", err)
		s.setStatus(m, false, Pair{"state", "BACKOFF"}, Pair{"last_error", err.Error()})
		select {
		case <-time.After(backoff):
		case <-ctx.Done():
		}
		backoff = min(2*backoff, m.config.maxBackoff)
	}
}

// ages tells when the connection came up and went down, in seconds before now.
func ages(since, until time.Time) []Pair {
	var p []Pair
	seconds := func(key string, t time.Time) {
		if !t.IsZero() {
			p = append(p, Pair{key, strconv.FormatInt(int64(time.Since(t)/time.Second), 10)})
		}
	}
	seconds("sec_since_connect", since)
	seconds("sec_since_disconnect", until)
	return p
}

// setStatus writes the columns in which a manager's row tells how it is, if the
// table has them. Unlike ovsdb-server, which renews the seconds in them every
// few seconds, this is done when the state changes.
func (s *Server) setStatus(m *manager, connected bool, status ...Pair) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.managers[m.key] != m {
		return
	}
	d := m.key.db
	t := d.tables["Manager"]
	r := t.rows[m.key.row]
	if r == nil {
		return
	}
	if at, ok := t.at["is_connected"]; ok && t.columns[at].Type.Key.Type == TypeBoolean && t.columns[at].Type.IsScalar() {
		r = r.with(at, connected)
	}
	if at, ok := t.at["status"]; ok && t.columns[at].Type.IsMap() {
		r = r.with(at, NewMap(status...))
	}
	e := &execution{txn: newTxn(d)}
	if r != t.rows[m.key.row] {
		e.txn.put(r)
	}
	if err := e.txn.check(); err != nil {
		s.log.Warn("a manager's status cannot be written", "error", err)
		return
	}
	e.committed = e.txn.commit()
	s.committed(d, e)
	s.retryTriggers(d)
}

// listenPassive listens at a ptcp:, pssl: or punix: address.
func listenPassive(address string, conf *tls.Config) (net.Listener, error) {
	e, err := ParseEndpoint(address)
	switch {
	case err != nil:
		return nil, err
	case !e.Passive:
		return nil, fmt.Errorf("endpoint %q is one to connect to, not to listen on", address)
	case e.TLS && conf == nil:
		return nil, fmt.Errorf("endpoint %q: certificates are needed for pssl, and none are configured", address)
	}
	l, err := e.listen()
	if err != nil || !e.TLS {
		return l, err
	}
	return tls.NewListener(l, atLeastTLS12(conf)), nil
}
