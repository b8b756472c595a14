package controller

import (
	"time"

	"l2gw"
	"l2gw/internal/fabric"
)

// An operator's mode is for a database, whichever agent writes to it. Agents keep
// it on their disks and report it; every server remembers the newest that it heard
// of, and the one that leads has the agents follow it that do not yet, before it
// grants them anything. So it is lost only if all servers and all agents that knew
// are gone at the same time.

// modeWord is an operator's word on a database.
type modeWord struct {
	mode l2gw.Mode
	at   time.Time
}

// modeCommands are the commands that set a mode.
var modeCommands = map[l2gw.Mode]fabric.Command{
	l2gw.ModeRun: fabric.CommandRun, l2gw.ModeObserve: fabric.CommandObserve, l2gw.ModePaused: fabric.CommandPause,
}

// setMode takes in that an operator says so now, and returns what agents are to
// be told: a word that is newer than all before, whatever the clocks say. mu must be held.
func (c *Controller) setMode(do fabric.Do) fabric.Do {
	for mode, command := range modeCommands {
		if command != do.Command {
			continue
		}
		at := c.opts.Now()
		if last := c.modes[do.Database].at; !at.After(last) {
			at = last.Add(time.Nanosecond)
		}
		c.modes[do.Database] = modeWord{mode, at}
		do.At = at
	}
	return do
}

// hearMode takes in what an agent reports, and has it or the others follow the
// newest word. Controller.mu must be held.
func (c *Controller) hearMode(l *link, s l2gw.DatabaseState) {
	switch word, known := c.modes[s.Name]; {
	case !s.ModeSince.IsZero() && s.ModeSince.After(word.at):
		c.modes[s.Name] = modeWord{s.Mode, s.ModeSince}
		for _, r := range c.known {
			for _, other := range r.links {
				if other != l {
					c.tellMode(other, s.Name)
				}
			}
		}
	case known && s.ModeSince.Before(word.at):
		c.tellMode(l, s.Name)
	}
}

// tellMode has an agent follow the newest word on a database, if there is one
// and this server may say so. Who knows it already does nothing. Controller.mu must be held.
func (c *Controller) tellMode(l *link, database string) {
	word, known := c.modes[database]
	epoch := c.office.epoch()
	if !known || epoch == 0 || l.shares[database] == nil {
		return
	}
	c.ask(l, fabric.Do{Database: database, Command: modeCommands[word.mode], At: word.at, Epoch: epoch})
}

// tellModes has all agents follow the newest words. Controller.mu must be held.
func (c *Controller) tellModes() {
	for name := range c.modes {
		for _, r := range c.known {
			for _, l := range r.links {
				c.tellMode(l, name)
			}
		}
	}
}
