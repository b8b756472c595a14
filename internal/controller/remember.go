package controller

import (
	"context"
	"maps"

	"l2gw"
	"l2gw/internal/fabric"
)

// A switch that is away while the server starts is unknown, not gone. So its
// tunnel IPs and what it learned are kept in the store, and count until it is
// heard of again, as if it had been away for as long as the server.

// recall takes in what was last seen before this start.
func (s *state) recall(all map[string]l2gw.Remembered) {
	for name, r := range all {
		d := s.database(name)
		d.observed.Devices = r.Devices
		d.noteTunnels()
		for _, l := range r.Learned {
			d.learned[fabric.LearnedKey{NetworkID: l.NetworkID, MAC: l.MAC}] = l
		}
		d.kept = maps.Clone(d.learned)
	}
	for _, r := range all {
		for _, dev := range r.Devices {
			s.report(dev.Name)
		}
	}
}

// isMemory tells that all that is known of a database is from before this
// start, and that no agent serves it: perhaps it is there under another name
// now. What anybody else reports weighs more.
func (d *database) isMemory() bool { return d.feed == nil && d.seen.IsZero() }

func (d *database) noteTunnels() {
	for _, dev := range d.observed.Devices {
		for _, ip := range dev.TunnelIPs {
			d.tunnels[ip] = true
		}
	}
}

// rememberDevices keeps what a database's devices are now.
func (c *Controller) rememberDevices(ctx context.Context, d *database) {
	if err := c.opts.Store.RememberDevices(ctx, d.name, d.observed.Devices); err != nil {
		c.log.Warn("cannot keep what was seen of a database; trying again", "database", d.name, "error", err)
		c.later(func(ctx context.Context) { c.rememberDevices(ctx, d) })
	}
}

// rememberLearned keeps what was learned since it did so last. It is called now
// and then, not for each MAC.
func (c *Controller) rememberLearned(ctx context.Context) {
	for _, d := range c.state.databases {
		if !d.learnedNews {
			continue
		}
		var set, gone []l2gw.Learned
		for key, l := range d.learned {
			if old, ok := d.kept[key]; !ok || !old.Equal(l.Host) {
				set = append(set, l)
			}
		}
		for key, l := range d.kept {
			if _, still := d.learned[key]; !still {
				gone = append(gone, l)
			}
		}
		if len(set)+len(gone) > 0 {
			if err := c.opts.Store.RememberLearned(ctx, d.name, set, gone); err != nil {
				c.log.Warn("cannot keep what a switch learned; trying again", "database", d.name, "error", err)
				continue
			}
		}
		d.kept, d.learnedNews = maps.Clone(d.learned), false
	}
}
