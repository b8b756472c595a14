package controller

import "time"

// OfficeFigures are how this server stands as a controller.
type OfficeFigures struct {
	Leading bool
	Epoch   uint64        // in which it leads, or 0
	Leased  time.Duration // for how long nobody else can have the lease; negative: since when somebody may
	Agents  int           // streams with agents
	Writing int           // databases of which something waits to be written to SQL
}

// Office tells how this server stands as a controller. It waits for nothing.
func (c *Controller) Office() OfficeFigures {
	o := &c.office
	o.mu.Lock()
	f := OfficeFigures{Agents: len(o.links)}
	if t := o.term; t != nil {
		f.Leading, f.Epoch = true, t.epoch
		if !t.leased.IsZero() {
			f.Leased = t.leased.Sub(c.opts.Now())
		}
	}
	o.mu.Unlock()
	w := c.writer
	w.mu.Lock()
	f.Writing = len(w.queues)
	if w.writing != nil {
		f.Writing++
	}
	w.mu.Unlock()
	return f
}
