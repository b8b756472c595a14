package ovsdb

import (
	"iter"
	"slices"

	"l2gw/internal/cow"
)

// fewRows is up to how many rows of one index key are kept as a plain slice.
const fewRows = 8

// Rows is an immutable collection of rows, in no particular order. Most keys of
// an index have one row, which costs no more than the pointer to it.
type Rows struct {
	one  *Row
	more *severalRows // if there are several
}

type severalRows struct {
	few  []*Row // or, if there are more of them,
	many cow.Map[UUID, *Row]
}

// rowsOf takes over the slice.
func rowsOf(few []*Row) Rows {
	switch len(few) {
	case 0:
		return Rows{}
	case 1:
		return Rows{one: few[0]}
	}
	return Rows{more: &severalRows{few: few}}
}

// Len is the number of rows.
func (r Rows) Len() int {
	switch {
	case r.one != nil:
		return 1
	case r.more == nil:
		return 0
	}
	return len(r.more.few) + r.more.many.Len()
}

// All iterates over the rows.
func (r Rows) All() iter.Seq[*Row] {
	switch {
	case r.one != nil:
		return func(yield func(*Row) bool) { yield(r.one) }
	case r.more == nil:
		return func(func(*Row) bool) {}
	case r.more.few != nil:
		return slices.Values(r.more.few)
	}
	return r.more.many.Values()
}

// First returns any one of the rows, or nil if there is none.
func (r Rows) First() *Row {
	if r.one != nil {
		return r.one
	}
	for x := range r.All() {
		return x
	}
	return nil
}
