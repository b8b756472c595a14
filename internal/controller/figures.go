package controller

import "l2gw"

// Figures are how much of what there is, at one moment.
type Figures struct {
	Revision   int64 // of the intent that is worked on; 0 if none was read yet
	IntentRead bool

	InventoryKnown    bool // a complete inventory has been told since the start
	InventoryReadable bool // and it can be read now
	Networks, Hosts   int  // of the inventory

	Bindings map[l2gw.Status]int

	Learned int // MACs that switches learned and that are passed on to others
	// Reports on learned MACs that are not passed on as they were learned.
	Reports map[l2gw.MACReportKind]int

	Writes WriteFigures // what the SQL store has yet to take
}

// Figures counts. It takes time in proportion to the networks and bindings.
func (c *Controller) Figures() Figures {
	c.mu.RLock()
	defer c.mu.RUnlock()
	s := &c.state
	f := Figures{
		Revision: s.revision, IntentRead: s.intentRead,
		InventoryKnown: s.inventoryRead, InventoryReadable: s.inventoryRead && s.inventoryError == nil,
		Bindings: map[l2gw.Status]int{}, Reports: map[l2gw.MACReportKind]int{},
		Writes: c.writer.figures(),
	}
	for _, n := range s.networks {
		if n.base != nil {
			f.Networks++
			f.Hosts += n.base.Hosts.Len()
		}
		if n.learned != nil {
			f.Learned += n.learned.Hosts().Len()
			for _, r := range n.learned.Reports() {
				f.Reports[r.Kind]++
			}
		}
	}
	for _, b := range s.bindings {
		if len(s.reporting[b.Device]) == 0 && !s.gone(b.NetworkID) && len(s.home(b.BindingKey)) == 0 {
			f.Bindings[l2gw.StatusPending]++ // as bindingStatus, which would look for where it may be
			continue
		}
		status, _ := s.bindingStatus(b)
		f.Bindings[status]++
	}
	return f
}

// Intent returns the revision of the intent that is worked on, and whether any has been read.
func (c *Controller) Intent() (revision int64, read bool) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.state.revision, c.state.intentRead
}
