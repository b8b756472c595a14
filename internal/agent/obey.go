package agent

import (
	"l2gw"
	"l2gw/internal/fabric"
)

// attach takes in a new stream and returns what to say first on it.
func (a *Agent) attach(s *session) fabric.Hello {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.sessions[s] = struct{}{}
	hello := fabric.Hello{
		Protocol: fabric.ProtocolVersion, Agent: a.opts.Name, Version: a.opts.Version, Epoch: a.epoch.Load(),
	}
	for _, d := range a.databases {
		hello.Databases = append(hello.Databases, d.reports.attach(s))
	}
	return hello
}

// detach takes in that a stream has ended.
func (a *Agent) detach(s *session) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.sessions, s)
	for _, d := range a.databases {
		d.reports.detach(s)
	}
	if a.obeyed == s {
		a.obey(nil)
	}
}

// obey lets another stream, or none, say what databases must hold: what the
// former one has told by half is void. mu is held.
func (a *Agent) obey(s *session) {
	a.obeyed = s
	for _, d := range a.databases {
		d.inbox.cut()
		d.reports.obey(s)
	}
}

// hear takes in what a server says.
func (a *Agent) hear(s *session, m fabric.ToAgent) {
	a.mu.Lock()
	defer a.mu.Unlock()
	switch m := m.(type) {
	case fabric.Welcome:
		a.welcome(s, m)
		return
	case fabric.Renewal:
		if a.obeyed == s && m.Epoch >= a.epoch.Load() {
			for _, d := range a.databases {
				d.inbox.renew(renewed{epoch: m.Epoch, asked: s.asked(m.Beat), leased: m.Leased})
			}
		}
		return
	case fabric.Refused:
		if s.refused[m.Database] != m.Reason {
			s.refused[m.Database] = m.Reason
			s.link.log.Error("the server does not let this agent have a database", "database", m.Database, "reason", m.Reason)
		}
		return
	}
	d := a.databases[m.About()]
	if do, ok := m.(fabric.Do); ok {
		a.command(s, d, do)
		return
	}
	if d == nil || a.obeyed != s || epochOf(m) < a.epoch.Load() {
		return
	}
	switch m := m.(type) {
	case fabric.Grant:
		d.inbox.grant(granted{Grant: m, asked: s.asked(m.Beat)})
	case fabric.Revoke:
		d.inbox.revoke(m)
	default:
		d.inbox.put(m)
	}
}

// welcome takes in who the server is, and whether it is the controller. mu is held.
func (a *Agent) welcome(s *session, w fabric.Welcome) {
	highest := a.epoch.Load()
	switch {
	case !w.Controller:
		if a.obeyed == s {
			a.log.Info("the server is not the controller any more", "server", w.Server)
			a.obey(nil)
		}
	case w.Epoch < highest:
		s.link.log.Warn("the server says that it is the controller, but a newer one is known; it is not obeyed",
			"epoch", w.Epoch, "newest", highest)
		if a.obeyed == s {
			a.obey(nil)
		}
	case a.obeyed != s || s.epoch != w.Epoch:
		if w.Epoch > highest {
			// On disk first: after a restart, too, the one before is not to be obeyed.
			a.disk.writeEpoch(w.Epoch)
			a.epoch.Store(w.Epoch)
		}
		s.epoch = w.Epoch
		a.obey(s)
		a.log.Info("a controller is there", "server", w.Server, "epoch", w.Epoch)
	}
}

// epochOf is under which epoch of the controller's lease a message was said.
// The version of a segment tells when it took its form, which may have been
// under another.
func epochOf(m fabric.ToAgent) uint64 {
	var v l2gw.Version
	switch m := m.(type) {
	case fabric.Grant:
		v = m.Version
	case fabric.Revoke:
		v = m.Version
	case fabric.SnapshotBegin:
		v = m.Version
	case fabric.SnapshotEnd:
		v = m.Version
	case fabric.SameBindings:
		v = m.Version
	case fabric.Bindings:
		v = m.Version
	case fabric.Owned:
		v = m.Version
	default:
		return ^uint64(0)
	}
	return v.Epoch
}

// command takes in what an operator asks for. mu is held.
func (a *Agent) command(s *session, d *database, do fabric.Do) {
	done := fabric.Done{ID: do.ID, At: a.opts.Now()}
	switch {
	case d == nil:
		done.Error = "the agent does not have this database"
	case !do.Command.Reads() && (a.obeyed != s || do.Epoch < a.epoch.Load()):
		done.Error = "the server is not the controller that the agent obeys"
	case do.Command == fabric.CommandReport:
		d.reports.all(s)
	default:
		if d.inbox.ask(asked{do, s}) {
			return
		}
		done.Error = "too many commands wait for this database"
	}
	s.answer(done)
}

// controller is the stream with the controller, or nil.
func (a *Agent) controller() *session {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.obeyed
}
