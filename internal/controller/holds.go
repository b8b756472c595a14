package controller

import (
	"fmt"
	"time"

	"l2gw"
	"l2gw/internal/fabric"
	"l2gw/internal/inventory"
)

// An agent holds a removal that takes much of what a network has there, since a
// mistake in the inventory would look the same. One that the inventory caused is
// released by the controller once the inventory was read again, whole, and
// still says so: a source that was asked at a bad moment answers better by then.

// confirmAfter is how long after a hold was heard of a reading of the inventory
// must begin to confirm it.
const confirmAfter = time.Minute

// What came off a network's inventory since a hold was heard of is confirmed
// with it only if it is little: as little as would not have been held.
const (
	alsoShare = 0.3
	alsoHosts = 10
)

// hold is a removal that an agent holds.
type hold struct {
	l2gw.HeldRemoval
	heard time.Time // when, or since when the inventory says what it does
	// said is what the inventory said of the networks concerned at that time; nil
	// for one that it did not have.
	said map[string]*l2gw.Segment
}

// hearHolds takes in which removals a database's agent holds.
func (s *state) hearHolds(d *database, held []l2gw.HeldRemoval, now time.Time) {
	holds := make(map[string]*hold, len(held))
	for _, r := range held {
		h := d.holds[r.NetworkID]
		if h == nil || h.Since.Before(r.Since) {
			h = &hold{heard: now, said: s.said(d, r.NetworkID)}
		}
		h.HeldRemoval = r
		holds[r.NetworkID] = h
	}
	d.holds = holds
}

// said is what the inventory says of a network or, for "", of all that are ours
// on a database.
func (s *state) said(d *database, network string) map[string]*l2gw.Segment {
	says := func(id string) *l2gw.Segment {
		if n := s.networks[id]; n != nil {
			return n.base
		}
		return nil
	}
	if network != "" {
		return map[string]*l2gw.Segment{network: says(network)}
	}
	all := make(map[string]*l2gw.Segment, len(d.owned.Networks))
	for id := range d.owned.Networks {
		all[id] = says(id)
	}
	return all
}

// confirm takes in that the inventory was read again, from began on, and has
// those holds released that it confirms.
func (c *Controller) confirm(u inventory.Update) {
	s := &c.state
	if u.Err != nil || u.Began.IsZero() || !s.inventoryRead {
		return
	}
	for _, d := range s.databases {
		for _, h := range d.holds {
			if !h.Confirms || u.Began.Before(h.heard.Add(c.opts.ConfirmAfter)) {
				continue
			}
			if more := lostSince(h.said, s.said(d, h.NetworkID)); more {
				h.heard, h.said = c.opts.Now(), s.said(d, h.NetworkID)
				continue
			}
			c.release(d, h)
		}
	}
}

// lostSince reports whether the inventory has lost more than a little since it said that.
func lostSince(then, now map[string]*l2gw.Segment) bool {
	for id, old := range then {
		seg := now[id]
		if old == nil || old == seg {
			continue
		}
		if seg == nil {
			return true
		}
		if old.HostSum == seg.HostSum && old.Hosts.Len() == seg.Hosts.Len() {
			continue
		}
		gone := 0
		for h := range old.Hosts.Values() {
			if is, ok := seg.Hosts.Get(h.MAC); !ok || is.VTEP != h.VTEP {
				gone++
			}
		}
		if gone > alsoHosts && float64(gone) > alsoShare*float64(old.Hosts.Len()) {
			return true
		}
	}
	return false
}

// release has the agent let go of a removal, if this server may say so. What
// is still held at the next reading is released again: the word may be lost.
func (c *Controller) release(d *database, h *hold) {
	if !c.state.leading || d.feed == nil {
		return
	}
	c.log.Info("the inventory was read again and says the same: a removal that was held is released",
		"database", d.name, "network_id", h.NetworkID, "rows", h.Rows, "of", h.Total)
	c.ask(d.feed.link, fabric.Do{
		Database: d.name, Command: fabric.CommandRelease, NetworkID: h.NetworkID, Epoch: c.state.version.Epoch,
	})
}

// heldNote says that a removal of a network's rows is held on databases where
// it is ours, as an addition to a reason; "" if none is.
func (s *state) heldNote(network string) (note string) {
	rows, total, reason := 0, 0, ""
	for _, d := range s.databases {
		h := d.holds[network]
		if _, ours := d.owned.Networks[network]; h == nil || !ours {
			continue
		}
		rows, total, reason = rows+h.Rows, total+h.Total, h.Reason
	}
	if rows == 0 {
		return ""
	}
	note = fmt.Sprintf("; the removal of %d of %d rows is held", rows, total)
	if reason != "" {
		note += ": " + reason
	}
	return note
}
