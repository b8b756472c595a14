package controller

import (
	"maps"

	"l2gw"
	"l2gw/internal/fabric"
)

// A switch that is away while the server starts is unknown, not gone. So its
// tunnel IPs and what it learned are kept in the store, and count until it is
// heard of again, as if it had been away for as long as the server.

// recall takes in what was last seen of the databases that this server has not
// seen itself.
func (s *state) recall(all map[string]l2gw.Remembered) {
	devices := map[string]bool{}
	for name, r := range all {
		d := s.database(name)
		if !d.isMemory() {
			continue
		}
		for name := range changedDevices(d.observed.Devices, r.Devices) {
			devices[name] = true
		}
		d.observed.Devices = r.Devices
		d.noteDevices()
		s.suspectAll(d)
		d.learned = make(map[fabric.LearnedKey]l2gw.Learned, len(r.Learned))
		for _, l := range r.Learned {
			d.learned[fabric.LearnedKey{NetworkID: l.NetworkID, MAC: l.MAC}] = l
		}
		d.kept = maps.Clone(d.learned)
	}
	for name := range devices {
		s.report(name)
	}
}

// isMemory tells that all that is known of a database is from before this
// start, and that no agent names it: perhaps it is there under another name
// now. What anybody else reports weighs more.
func (d *database) isMemory() bool { return d.source == nil && d.seen.IsZero() }

// noteDevices takes in that the database's devices are others.
func (d *database) noteDevices() {
	for _, dev := range d.observed.Devices {
		d.where.reported(dev.Name, d)
		for _, ip := range dev.TunnelIPs {
			d.tunnels[ip] = true
			d.where.tunnel(ip, d)
		}
	}
}

// rememberDevices keeps what a database's devices are now.
func (c *Controller) rememberDevices(d *database) {
	if c.state.leading {
		c.writer.rememberDevices(c.state.version.Epoch, d.name, d.observed.Devices)
	}
}

// rememberLearned keeps what was learned since it did so last. It is called now
// and then, not for each MAC. What the switches do not report any more is kept for
// as long as it is held, so that a server which is started meanwhile holds it, too.
func (c *Controller) rememberLearned() {
	s := &c.state
	if !s.leading {
		return
	}
	for _, d := range s.databases {
		if !d.learnedNews || d.keeping {
			continue
		}
		d.learnedNews = false
		var ch learnedChanges
		for key, l := range d.learned {
			if old, ok := d.kept[key]; !ok || !old.Equal(l.Host) {
				ch.set = append(ch.set, l)
			}
		}
		for key, l := range d.kept {
			if _, still := d.learned[key]; !still && !s.networks[key.NetworkID].holds(d, key.MAC) {
				ch.gone = append(ch.gone, l)
			}
		}
		if len(ch.set)+len(ch.gone) > 0 {
			d.keeping = true
			c.writer.rememberLearned(s.version.Epoch, d.name, ch)
		}
	}
}

// keptLearned takes in that the store has taken what was learned.
func (c *Controller) keptLearned(epoch uint64, name string, ch learnedChanges) {
	s := &c.state
	if !s.leading || epoch != s.version.Epoch {
		return
	}
	d := s.database(name)
	d.keeping = false
	if d.kept == nil {
		d.kept = make(map[fabric.LearnedKey]l2gw.Learned, len(ch.set))
	}
	for _, l := range ch.set {
		d.kept[fabric.LearnedKey{NetworkID: l.NetworkID, MAC: l.MAC}] = l
	}
	for _, l := range ch.gone {
		delete(d.kept, fabric.LearnedKey{NetworkID: l.NetworkID, MAC: l.MAC})
	}
}

// reconsider compares, as this server begins to lead, what it saw of a database
// with what the store remembers, and has what differs written.
func (c *Controller) reconsider(d *database, r l2gw.Remembered) {
	d.kept = make(map[fabric.LearnedKey]l2gw.Learned, len(r.Learned))
	for _, l := range r.Learned {
		d.kept[fabric.LearnedKey{NetworkID: l.NetworkID, MAC: l.MAC}] = l
	}
	d.keeping, d.learnedNews = false, true
	if len(changedDevices(r.Devices, d.observed.Devices)) > 0 {
		c.rememberDevices(d)
	}
}
