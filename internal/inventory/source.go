package inventory

import (
	"context"
	"time"

	"l2gw"
)

// Source tells what networks exist and which hosts are behind which VTEP.
type Source interface {
	// Run calls sink with a first Update as soon as it has one, then with each
	// change, in order and one call at a time. It goes on through all failures of
	// what it reads, which it reports as Update.Err, and returns ctx.Err() when
	// ctx ends. Another error means that the source cannot work at all, such as
	// with options that contradict each other; it is returned before any Update.
	// A Source runs once.
	Run(ctx context.Context, sink Sink) error
}

// Sink is told what a Source finds.
type Sink interface {
	// Inventory takes over the update: the Source does not touch it again, and
	// nobody may change the segments in it. The next Update waits until it returns.
	Inventory(Update)
}

// Update is one complete answer, told as what differs from the one before it,
// or, with Err, that there is no answer at the moment. One in which nothing is
// set but Began says that all was read again and is as it was told: a source
// gives such an answer at least every few minutes, so that what stays so can be
// told from a mistake.
type Update struct {
	// Began is when the reading of which this is the answer began, by the clock of
	// this process; zero for what was kept from before its start.
	Began time.Time
	// Err says why the inventory cannot be read. What was known stays, and nothing
	// may be concluded from its silence; the other fields are zero. The next
	// Update without Err means that it can be read again, even if nothing changed.
	Err error
	// Complete is set when Changed lists every network that there is, with a nil
	// Delta, as it is in the first Update without Err. A network that the sink
	// remembers from elsewhere and that is not listed is gone.
	Complete bool
	// Changed are the networks that are new or that differ from the Update before,
	// in the order of their ids.
	Changed []Change
	// Removed are the ids of the networks that are gone, sorted.
	Removed []string
	// Directory is what clients see of all this, which may be another even if no
	// segment is: a network that no gateway can be connected to has none. nil: as it was.
	Directory *l2gw.Directory
}

// Change is a network that is new or different.
type Change struct {
	// Segment is the network as it is now. Its Version is zero.
	Segment *l2gw.Segment
	// Delta is how its hosts differ from this network's segment of the Update
	// before, so that nobody compares 100,000 hosts to find one; it is empty if
	// only other fields differ. nil: unknown or a new network; compare all.
	Delta *Delta
}

// Delta is the difference between the hosts of two segments of one network.
type Delta struct {
	Set     []l2gw.Host // new, or with another VTEP or other addresses; sorted by MAC
	Removed []l2gw.MAC  // sorted
}

// Empty reports whether no host differs.
func (d *Delta) Empty() bool { return len(d.Set) == 0 && len(d.Removed) == 0 }
