package ovsdb

import (
	"slices"

	"l2gw/internal/cow"
)

// Edit collects changes to a Snapshot. It belongs to one goroutine; the
// snapshot that it started from stays as it was.
type Edit struct {
	base   *Snapshot
	tables map[string]*tableEdit
}

type tableEdit struct {
	layout  *Layout
	rows    *cow.Txn[UUID, *Row]
	indexes []*cow.Txn[string, Rows]
	// Per index the keys with many rows that this edit has touched.
	many []map[string]*cow.Txn[UUID, *Row]
}

// Edit starts a series of changes on top of s.
func (s *Snapshot) Edit() *Edit { return &Edit{base: s, tables: make(map[string]*tableEdit)} }

// Get returns the row as it stands after the changes so far, or nil.
func (e *Edit) Get(table string, u UUID) *Row {
	if t, ok := e.tables[table]; ok {
		r, _ := t.rows.Get(u)
		return r
	}
	return e.base.Table(table).Get(u)
}

// Put adds a row or replaces the one with its identity; old is what was there,
// or nil. The row's layout must be the one of the snapshot's table.
func (e *Edit) Put(r *Row) (old *Row) {
	t := e.edit(r.layout.Table.Name)
	old, _ = t.rows.Swap(r.uuid, r)
	t.reindex(old, r)
	return old
}

// Delete removes a row; old is what was there, or nil.
func (e *Edit) Delete(table string, u UUID) (old *Row) {
	if e.Get(table, u) == nil {
		return nil
	}
	t := e.edit(table)
	old, _ = t.rows.Get(u)
	t.rows.Delete(u)
	t.reindex(old, nil)
	return old
}

// Commit returns the snapshot as it stands. The Edit must not be used afterwards.
func (e *Edit) Commit() *Snapshot {
	if len(e.tables) == 0 {
		return e.base
	}
	s := &Snapshot{Schema: e.base.Schema, tables: make(map[string]*Table, len(e.base.tables))}
	for name, t := range e.base.tables {
		s.tables[name] = t
	}
	for name, t := range e.tables {
		done := &Table{layout: t.layout, rows: t.rows.Commit(), indexes: make([]cow.Map[string, Rows], len(t.indexes))}
		for i, ix := range t.indexes {
			for key, rows := range t.many[i] {
				ix.Set(key, Rows{more: &severalRows{many: rows.Commit()}})
			}
			done.indexes[i] = ix.Commit()
		}
		s.tables[name] = done
	}
	return s
}

func (e *Edit) edit(table string) *tableEdit {
	t, ok := e.tables[table]
	if !ok {
		base := e.base.tables[table]
		t = &tableEdit{layout: base.layout, rows: base.rows.Txn()}
		for _, ix := range base.indexes {
			t.indexes = append(t.indexes, ix.Txn())
			t.many = append(t.many, nil)
		}
		e.tables[table] = t
	}
	return t
}

// reindex moves a row from its old keys to its new ones; either row may be nil.
func (t *tableEdit) reindex(old, now *Row) {
	for i, at := range t.layout.indexed {
		if old != nil {
			t.unlist(i, rowKey(old, at), old)
		}
		if now != nil {
			t.list(i, rowKey(now, at), now)
		}
	}
}

func (t *tableEdit) list(i int, key string, r *Row) {
	if txn := t.many[i][key]; txn != nil {
		txn.Set(r.uuid, r)
		return
	}
	rows, had := t.indexes[i].Swap(key, Rows{one: r})
	switch {
	case !had:
	case rows.one != nil:
		t.indexes[i].Set(key, rowsOf([]*Row{rows.one, r}))
	case rows.more.many.Len() == 0 && len(rows.more.few) < fewRows:
		// Clipped, so that a reader of the shorter slice never sees the append.
		t.indexes[i].Set(key, rowsOf(append(slices.Clip(rows.more.few), r)))
	default:
		t.editMany(i, key, rows).Set(r.uuid, r)
	}
}

func (t *tableEdit) unlist(i int, key string, r *Row) {
	txn := t.many[i][key]
	if txn == nil {
		rows, _ := t.indexes[i].Get(key)
		if rows.more == nil { // it was the only one
			t.indexes[i].Delete(key)
			return
		}
		if rows.more.many.Len() == 0 {
			t.keep(i, key, slices.DeleteFunc(slices.Clone(rows.more.few), func(x *Row) bool { return x.uuid == r.uuid }))
			return
		}
		txn = t.editMany(i, key, rows)
	}
	txn.Delete(r.uuid)
	if txn.Len() <= fewRows/2 {
		delete(t.many[i], key)
		t.keep(i, key, slices.Collect(txn.Commit().Values()))
	}
}

func (t *tableEdit) keep(i int, key string, few []*Row) {
	if len(few) == 0 {
		t.indexes[i].Delete(key)
		return
	}
	t.indexes[i].Set(key, rowsOf(few))
}

func (t *tableEdit) editMany(i int, key string, rows Rows) *cow.Txn[UUID, *Row] {
	txn := rows.more.many.Txn()
	for _, r := range rows.more.few {
		txn.Set(r.uuid, r)
	}
	if t.many[i] == nil {
		t.many[i] = make(map[string]*cow.Txn[UUID, *Row])
	}
	t.many[i][key] = txn
	return txn
}
