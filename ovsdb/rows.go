package ovsdb

import (
	"iter"
	"slices"

	"l2gw/internal/cow"
)

// fewRows is up to how many rows of one index key are kept as a plain slice.
const fewRows = 8

// Rows is an immutable collection of rows, in no particular order.
type Rows struct {
	few  []*Row // or, if there are more of them,
	many cow.Map[UUID, *Row]
}

// Len is the number of rows.
func (r Rows) Len() int { return len(r.few) + r.many.Len() }

// All iterates over the rows.
func (r Rows) All() iter.Seq[*Row] {
	if r.many.Len() > 0 {
		return r.many.Values()
	}
	return slices.Values(r.few)
}

// First returns any one of the rows, or nil if there is none.
func (r Rows) First() *Row {
	for x := range r.All() {
		return x
	}
	return nil
}
