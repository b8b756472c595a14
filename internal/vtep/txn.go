package vtep

import (
	"strconv"

	"l2gw/ovsdb"
)

// defaultMaxOps bounds a transaction if Options do not: larger ones are not
// faster, and smaller ones leave room for the switch's own work in between.
const defaultMaxOps = 1000

// minMaxOps is the longest series of operations that must be in one transaction.
const minMaxOps = 16

// builder cuts a series of operations into transactions.
type builder struct {
	limit int
	lock  string
	txns  []Txn
	open  bool // the last of txns takes further operations
	id    int  // grows with each transaction that is closed
	names int
}

func newBuilder(o Options) *builder {
	b := &builder{limit: o.MaxOps, lock: o.Lock}
	if b.limit <= 0 {
		b.limit = defaultMaxOps
	}
	b.limit = max(b.limit, minMaxOps)
	return b
}

// room is how many operations still fit.
func (b *builder) room() int {
	if b.open {
		return b.limit - len(b.txns[len(b.txns)-1].Ops)
	}
	return b.fresh()
}

// fresh is how many operations fit into a new transaction.
func (b *builder) fresh() int {
	if b.lock != "" {
		return b.limit - 1
	}
	return b.limit
}

// reserve sees to it that the next n operations come into one transaction.
func (b *builder) reserve(n int) {
	if b.room() < n {
		b.close()
	}
}

// close ends the transaction. What was named in it cannot be referred to any more.
func (b *builder) close() {
	if b.open {
		b.open = false
		b.id++
	}
}

func (b *builder) add(s Subject, ops ...ovsdb.Op) {
	if !b.open {
		b.open = true
		b.txns = append(b.txns, Txn{})
		if b.lock != "" {
			b.add(Subject{}, ovsdb.Assert(b.lock))
		}
	}
	t := &b.txns[len(b.txns)-1]
	for _, op := range ops {
		t.Ops = append(t.Ops, op)
		t.Subjects = append(t.Subjects, s)
	}
}

// name returns a name for a row that is to be inserted.
func (b *builder) name(prefix string) ovsdb.NamedUUID {
	b.names++
	return ovsdb.NamedUUID(prefix + strconv.Itoa(b.names))
}

// ref is a row: one that stands there, or one that a transaction of this plan inserts.
type ref struct {
	uuid ovsdb.UUID
	name ovsdb.NamedUUID
	txn  int
}

// in returns the value to refer to r by in the builder's next operation; false
// if that must wait until the row has been seen.
func (r ref) in(b *builder) (ovsdb.Value, bool) {
	switch {
	case !r.uuid.IsZero():
		return r.uuid, true
	case r.name != "" && r.txn == b.id:
		return r.name, true
	}
	return nil, false
}
