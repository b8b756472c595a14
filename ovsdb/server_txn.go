package ovsdb

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// txn is a transaction: changes on top of a database that no one else sees
// until commit. All that it costs depends on what it changes, not on how much
// the database holds.
type txn struct {
	db     *database
	tables map[*dbTable]*txnTable
	names  named
}

type txnTable struct {
	changes map[UUID]*change
	order   []*change    // changes in the order in which the rows were first touched
	refs    map[UUID]int // by how much the strong references to a row of this table change
}

// change is what a transaction does to one row.
type change struct {
	table *dbTable
	uuid  UUID
	old   *dbRow // nil if inserted
	new   *dbRow // nil if deleted

	// changed is set when the operations left the row different. It stays so if
	// the clearing of dead weak references then makes the row what it was.
	changed bool
}

func newTxn(db *database) *txn {
	return &txn{db: db, tables: make(map[*dbTable]*txnTable), names: make(named)}
}

func (x *txn) table(t *dbTable) *txnTable {
	tt, ok := x.tables[t]
	if !ok {
		tt = &txnTable{changes: make(map[UUID]*change), refs: make(map[UUID]int)}
		x.tables[t] = tt
	}
	return tt
}

// get returns the row as the transaction sees it, or nil.
func (x *txn) get(t *dbTable, u UUID) *dbRow {
	if tt, ok := x.tables[t]; ok {
		if c, ok := tt.changes[u]; ok {
			return c.new
		}
	}
	return t.rows[u]
}

// mayInsert reports whether no row of that identity is there or was at the beginning.
func (x *txn) mayInsert(t *dbTable, u UUID) bool { return t.rows[u] == nil && x.get(t, u) == nil }

// put adds or replaces a row.
func (x *txn) put(r *dbRow) { x.touch(r.table, r.uuid).new = r }

func (x *txn) delete(t *dbTable, u UUID) { x.touch(t, u).new = nil }

// touch returns the change of a row, making one that does nothing if there is none.
func (x *txn) touch(t *dbTable, u UUID) *change {
	tt := x.table(t)
	c, ok := tt.changes[u]
	if !ok {
		r := t.rows[u]
		c = &change{table: t, uuid: u, old: r, new: r}
		tt.changes[u] = c
		tt.order = append(tt.order, c)
	}
	return c
}

// rows calls f with each row of the table that the transaction sees; f may change the rows.
func (x *txn) rows(t *dbTable, f func(*dbRow)) {
	tt := x.tables[t]
	if tt == nil {
		// Changes go to the transaction, never to t.rows, so that iterating is safe.
		for u, r := range t.rows {
			if tt = x.tables[t]; tt != nil && tt.changes[u] != nil {
				continue
			}
			f(r)
		}
		return
	}
	inserted := slices.Clone(tt.order)
	for u, r := range t.rows {
		if tt.changes[u] == nil {
			f(r)
		}
	}
	for _, c := range inserted {
		if c.new != nil {
			f(c.new)
		}
	}
}

// changes are all of the transaction's that do something, in the order of their tables' names.
func (x *txn) changes() []*change {
	var all []*change
	for _, t := range x.inOrder() {
		for _, c := range x.tables[t].order {
			if c.does() {
				all = append(all, c)
			}
		}
	}
	return all
}

func (c *change) does() bool {
	switch {
	case c.old == nil || c.new == nil:
		return c.old != c.new
	}
	return c.changed || c.old != c.new && !c.old.sameValues(c.new)
}

func (x *txn) inOrder() []*dbTable {
	return slices.SortedFunc(maps.Keys(x.tables), func(a, b *dbTable) int { return strings.Compare(a.schema.Name, b.schema.Name) })
}

// check makes the transaction ready for commit (RFC 7047 §4.1.3: what is
// checked when all operations have been carried out), in the order of
// ovsdb-server: strong references, garbage, table sizes, weak references, indexes.
func (x *txn) check() *Error {
	x.dropNoOps()
	if err := x.countReferences(); err != nil {
		return err
	}
	x.collectGarbage()
	if err := x.checkSizes(); err != nil {
		return err
	}
	if err := x.dropDeadWeakReferences(); err != nil {
		return err
	}
	return x.checkIndexes()
}

// dropNoOps forgets the rows that ended as they began.
func (x *txn) dropNoOps() {
	for t, tt := range x.tables {
		tt.order = slices.DeleteFunc(tt.order, func(c *change) bool {
			if c.does() {
				c.changed = true
				return false
			}
			delete(tt.changes, c.uuid)
			return true
		})
		if len(tt.order) == 0 {
			delete(x.tables, t)
		}
	}
}

// countReferences finds how the numbers of strong references change, and fails
// if one leads nowhere.
func (x *txn) countReferences() *Error {
	changes := x.changes()
	for _, c := range changes {
		x.count(c.old, -1)
		x.count(c.new, +1)
	}
	for _, c := range changes {
		if c.new != nil {
			if err := x.checkTargets(c); err != nil {
				return err
			}
		}
	}
	for _, c := range changes {
		if n := x.referenced(c.table, c.uuid); c.new == nil && n > 0 {
			return &Error{
				Code:    ErrReferentialIntegrity.Error(),
				Details: fmt.Sprintf("cannot delete %s row %s because of %d remaining reference(s)", c.table.schema.Name, c.uuid, n),
			}
		}
	}
	return nil
}

// count adds d for each strong reference of the row to another.
func (x *txn) count(r *dbRow, d int) {
	if r == nil {
		return
	}
	for _, c := range r.table.strong {
		c.references(r.values[c.at], func(t *dbTable, u UUID) {
			if u != r.uuid { // a reference of a row to itself does not keep it alive
				x.table(t).refs[u] += d
			}
		})
	}
}

// referenced is the number of strong references to a row.
func (x *txn) referenced(t *dbTable, u UUID) int {
	n := t.refs[u]
	if tt, ok := x.tables[t]; ok {
		n += tt.refs[u]
	}
	return n
}

// checkTargets fails if a changed row refers to a row that never was.
func (x *txn) checkTargets(c *change) (err *Error) {
	for _, col := range c.table.strong {
		if c.old != nil && Equal(c.old.values[col.at], c.new.values[col.at]) {
			continue
		}
		col.references(c.new.values[col.at], func(t *dbTable, u UUID) {
			if err == nil && u != c.uuid && x.get(t, u) == nil && t.rows[u] == nil {
				err = &Error{
					Code: ErrReferentialIntegrity.Error(),
					Details: fmt.Sprintf("Table %s column %s row %s references nonexistent row %s in table %s.",
						c.table.schema.Name, c.table.columns[col.at].Name, c.uuid, u, t.schema.Name),
				}
			}
		})
	}
	return err
}

// collectGarbage deletes the rows of non-root tables to which nothing refers
// (RFC 7047 §3.2, "isRoot"), and those that only they kept alive.
func (x *txn) collectGarbage() {
	var queue []weakSource
	look := func(t *dbTable, u UUID) {
		if !t.schema.IsRoot && x.referenced(t, u) == 0 && x.get(t, u) != nil {
			queue = append(queue, weakSource{t, u})
		}
	}
	for t, tt := range x.tables {
		for _, c := range tt.order {
			look(t, c.uuid)
		}
		for u := range tt.refs {
			look(t, u)
		}
	}
	for len(queue) > 0 {
		next := queue[0]
		queue = queue[1:]
		r := x.get(next.table, next.row)
		if r == nil {
			continue
		}
		x.delete(next.table, next.row)
		x.count(r, -1)
		for _, c := range r.table.strong {
			c.references(r.values[c.at], look)
		}
	}
}

func (x *txn) checkSizes() *Error {
	for _, t := range x.inOrder() {
		n := int64(len(t.rows))
		for _, c := range x.tables[t].order {
			switch {
			case c.old == nil && c.new != nil:
				n++
			case c.old != nil && c.new == nil:
				n--
			}
		}
		if n > t.schema.MaxRows {
			return violation("transaction causes \"%s\" table to contain %d rows, greater than the schema-defined limit of %d row(s)",
				t.schema.Name, n, t.schema.MaxRows)
		}
	}
	return nil
}

// dropDeadWeakReferences takes the weak references to rows that are not there
// out of the rows that changed and out of those that refer to a deleted row.
func (x *txn) dropDeadWeakReferences() *Error {
	var sources []weakSource
	for _, c := range x.changes() {
		if c.new == nil {
			sources = slices.AppendSeq(sources, maps.Keys(c.table.weakTo[c.uuid]))
		} else if len(c.table.weak) > 0 {
			sources = append(sources, weakSource{c.table, c.uuid})
		}
	}
	for _, s := range sources {
		r := x.get(s.table, s.row)
		if r == nil {
			continue
		}
		for _, col := range s.table.weak {
			zero := false
			v, n := col.without(r.values[col.at], func(t *dbTable, u UUID) bool {
				dead := x.get(t, u) == nil
				zero = zero || dead && u.IsZero()
				return dead
			})
			if n == 0 {
				continue
			}
			column := s.table.columns[col.at]
			if column.Type.Min > 0 && elements(v) == 0 {
				row := fmt.Sprintf("column \"%s\" in \"%s\" row %s", column.Name, s.table.schema.Name, s.row)
				if x.touch(s.table, s.row).old == nil {
					row += " (inserted within this transaction)"
				}
				if zero {
					return violation("Weak reference %s contained all-zeros UUID (probably as the default value for this column) "+
						"but deleting this value caused a constraint volation because this column is not allowed to be empty.", row)
				}
				return violation("Deletion of %d weak reference(s) to deleted (or never-existing) rows from %s "+
					"caused this column to become empty, but constraints on this column disallow an empty column.", n, row)
			}
			r = r.with(col.at, v)
			x.put(r)
		}
	}
	return nil
}

// checkIndexes makes sure that no two rows have one key in an index.
func (x *txn) checkIndexes() *Error {
	for _, t := range x.inOrder() {
		for i, at := range t.indexed {
			seen := make(map[string]*change)
			for _, c := range x.tables[t].order {
				if c.new == nil {
					continue
				}
				key := c.new.indexKey(at)
				if other, ok := seen[key]; ok {
					return x.duplicate(t, i, c, other.uuid)
				}
				seen[key] = c
				if u, ok := t.indexes[i][key]; ok && u != c.uuid && x.tables[t].changes[u] == nil {
					return x.duplicate(t, i, c, u)
				}
			}
		}
	}
	return nil
}

func (x *txn) duplicate(t *dbTable, index int, c *change, other UUID) *Error {
	at := t.indexed[index]
	values := func(r *dbRow) string {
		var parts []string
		for _, i := range at {
			parts = append(parts, valueText(r.values[i]))
		}
		return enumerate(parts)
	}
	story := func(u UUID) string {
		c, ok := x.tables[t].changes[u]
		switch {
		case !ok:
			return "existed in the database before this transaction and was not modified by the transaction."
		case c.old == nil:
			return "was inserted by this transaction."
		case c.old.indexKey(at) == c.new.indexKey(at):
			return "existed in the database before this transaction, which modified some of the row's columns but not any columns in this index."
		}
		return "had the following index values before the transaction: " + values(c.old) + "."
	}
	names := make([]string, len(at))
	for i, p := range at {
		names[i] = `"` + t.columns[p].Name + `"`
	}
	column := "column"
	if len(at) > 1 {
		column = "columns"
	}
	return violation("Transaction causes multiple rows in \"%s\" table to have identical values (%s) for index on %s %s.  "+
		"First row, with UUID %s, %s  Second row, with UUID %s, %s",
		t.schema.Name, values(c.new), column, enumerate(names), c.uuid, story(c.uuid), other, story(other))
}

// enumerate joins words as in a sentence.
func enumerate(words []string) string {
	switch n := len(words); n {
	case 0, 1:
		return strings.Join(words, "")
	case 2:
		return words[0] + " and " + words[1]
	default:
		return strings.Join(words[:n-1], ", ") + ", and " + words[n-1]
	}
}

// commit makes the changes the database's; check has been passed. It returns
// those that did something.
func (x *txn) commit() []*change {
	changes := x.changes()
	for _, c := range changes {
		if c.old != nil {
			if c.new != nil {
				c.new.version = NewUUID()
			}
			for i, at := range c.table.indexed {
				if key := c.old.indexKey(at); c.table.indexes[i][key] == c.uuid {
					delete(c.table.indexes[i], key)
				}
			}
		}
		c.relink(c.old, -1)
		c.relink(c.new, +1)
	}
	for _, c := range changes {
		if c.new == nil {
			delete(c.table.rows, c.uuid)
			continue
		}
		c.table.rows[c.uuid] = c.new
		for i, at := range c.table.indexed {
			c.table.indexes[i][c.new.indexKey(at)] = c.uuid
		}
	}
	for t, tt := range x.tables {
		for u, d := range tt.refs {
			if t.refs[u] += d; t.refs[u] == 0 {
				delete(t.refs, u)
			}
		}
	}
	return changes
}

// relink counts the weak references of a row.
func (c *change) relink(r *dbRow, d int) {
	if r == nil {
		return
	}
	for _, col := range c.table.weak {
		col.references(r.values[col.at], func(t *dbTable, u UUID) {
			from := weakSource{c.table, c.uuid}
			m := t.weakTo[u]
			if m == nil {
				m = make(map[weakSource]int)
				t.weakTo[u] = m
			}
			if m[from] += d; m[from] == 0 {
				delete(m, from)
			}
			if len(m) == 0 {
				delete(t.weakTo, u)
			}
		})
	}
}
