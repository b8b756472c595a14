package controller

import (
	"maps"

	"l2gw"
	"l2gw/internal/fabric"
)

// telling is what an agent told as Orphans and the store has not recorded yet. Once
// it has, the agent is answered, so that it does not tell the same again.
type telling struct {
	number  uint64
	missing l2gw.Ownership
}

// hearOrphans takes in rows that the agent wrote and that the store does not have
// as ours: it was restored from a backup, or they were removed while that agent
// could not hear of it, and it has brought them back. They are recorded, so that
// they can be removed, and are wanted only where intent says so.
func (c *Controller) hearOrphans(l *link, d *database, m fabric.Orphans) {
	var done []answered
	c.locked(func() {
		s := &c.state
		if !s.leading {
			return
		}
		t := &telling{m.Telling, noOwnership()}
		more := noOwnership()
		for id, vni := range m.Owned.Networks {
			if _, known := d.owned.Networks[id]; known {
				continue
			}
			t.missing.Networks[id] = vni
			if _, asked := d.asked.Networks[id]; !asked {
				more.Networks[id] = vni
			}
		}
		for k, id := range m.Owned.Bindings {
			if _, known := d.owned.Bindings[k]; known {
				continue
			}
			t.missing.Bindings[k] = id
			if _, asked := d.asked.Bindings[k]; !asked {
				more.Bindings[k] = id
			}
		}
		if d.tellings == nil {
			d.tellings = map[*link]*telling{}
		}
		d.tellings[l] = t
		done = d.recordedTellings()
		if isNothing(more) {
			return
		}
		c.log.Warn("rows that were written by us are recorded as ours again: the database seems to have been restored from a backup, "+
			"or an agent that was alone has brought them back",
			"database", d.name, "agent", l.agent, "networks", len(more.Networks), "bindings", len(more.Bindings))
		maps.Copy(d.asked.Networks, more.Networks)
		maps.Copy(d.asked.Bindings, more.Bindings)
		c.writer.own(s.version.Epoch, d.name, more)
	})
	c.answerTellings(done)
}

// answered is a telling all of which is recorded.
type answered struct {
	link    *link
	message fabric.Recorded
}

// noteRecorded takes in that more is recorded as ours. Controller.mu must be held.
func (d *database) noteRecorded(more l2gw.Ownership) []answered {
	for _, t := range d.tellings {
		for id := range more.Networks {
			delete(t.missing.Networks, id)
		}
		for k := range more.Bindings {
			delete(t.missing.Bindings, k)
		}
	}
	return d.recordedTellings()
}

// recordedTellings takes out what waits for nothing any more.
func (d *database) recordedTellings() (done []answered) {
	for l, t := range d.tellings {
		if isNothing(t.missing) {
			done = append(done, answered{l, fabric.Recorded{Database: d.name, Telling: t.number}})
			delete(d.tellings, l)
		}
	}
	return done
}

// answerTellings answers the agents. One that tells under no number is of a
// version that expects no answer.
func (c *Controller) answerTellings(done []answered) {
	c.office.mu.Lock()
	defer c.office.mu.Unlock()
	for _, a := range done {
		if a.message.Telling != 0 {
			a.link.order(a.message)
		}
	}
}
