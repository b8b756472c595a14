package ovsdb

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/go-json-experiment/json/jsontext"
)

// mirror keeps one session's copy of a database. All but begin runs in the
// session's reader.
type mirror struct {
	// Immutable.
	database string
	schema   *Schema
	layouts  []*Layout
	publish  func(s *Snapshot, changes []rowChange, reset bool, lastID string)

	decoder *updateDecoder
	edit    *Edit     // while the initial contents come in
	current *Snapshot // nil before
	resumed bool      // the initial contents are changes to current
	lastID  string    // of the last transaction seen, or "" if the server does not say
}

// noTransaction is the transaction id of a server that keeps no history.
const noTransaction = "00000000-0000-0000-0000-000000000000"

// begin asks for the contents by the best method that the server has, and
// returns once they are published. From then on each update is published before
// anything that the server sent after it is acted on.
func (m *mirror) begin(ctx context.Context, c *Conn, resume *Snapshot, lastID string) error {
	m.decoder = newUpdateDecoder(m.layouts)
	streams := map[string]streamFunc{
		"update":  func(d *jsontext.Decoder) error { return m.update(d, form1) },
		"update2": func(d *jsontext.Decoder) error { return m.update(d, form2) },
		"update3": func(d *jsontext.Decoder) error { return m.update(d, form3) },
	}
	c.streams.Store(&streams)
	c.patience.Add(1)
	defer c.patience.Add(-1)
	if lastID == "" || resume == nil {
		resume, lastID = nil, noTransaction
	}
	var err error
	for _, method := range []struct {
		name   string
		format monitorForm
	}{{"monitor_cond_since", form3}, {"monitor_cond", form2}, {"monitor", form1}} {
		m.edit, m.resumed, m.lastID = nil, false, ""
		call := &call{
			stream: func(d *jsontext.Decoder) error { return m.initial(d, method.format, resume) },
			then:   m.initialDone,
		}
		var id uint64
		id, err = c.send(ctx, call, method.name, func(b []byte) []byte {
			return m.request(b, method.format, lastID)
		})
		if err != nil {
			return err
		}
		_, err = c.wait(ctx, id, call)
		if !isUnknownMethod(err) {
			break
		}
	}
	return err
}

// isUnknownMethod tells servers that lack a method. Those older than Open
// vSwitch 2.6, which brought monitor_cond, say so in either way.
func isUnknownMethod(err error) bool {
	var e *Error
	return errors.As(err, &e) && (e.Is(ErrUnknownMethod) || e.Is(ErrNotSupported) || e.Code == "not allowed")
}

// request appends the parameters of a monitor request.
func (m *mirror) request(b []byte, format monitorForm, lastID string) []byte {
	b = appendString(append(b, '['), m.database)
	b = appendString(append(b, ','), m.database) // the monitor's id
	b = append(b, ",{"...)
	for i, l := range m.layouts {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(appendString(b, l.Table.Name), `:[{"columns":[`...)
		for j, c := range l.Columns {
			if j > 0 {
				b = append(b, ',')
			}
			b = appendString(b, c.Name)
		}
		b = append(b, "]}]"...)
	}
	b = append(b, '}')
	if format == form3 {
		b = appendString(append(b, ','), lastID)
	}
	return append(b, ']')
}

// initial reads the answer to the request.
func (m *mirror) initial(d *jsontext.Decoder, format monitorForm, resume *Snapshot) error {
	if d.PeekKind() == 'n' { // beside an error
		return d.SkipValue()
	}
	if format != form3 {
		return m.all(d, format)
	}
	if err := expect(d, '['); err != nil {
		return err
	}
	found, err := d.ReadToken()
	if err != nil {
		return err
	}
	if found.Kind() == 't' && resume != nil {
		m.resumed = true
		m.current = resume
		m.edit = resume.Edit()
	}
	if err := m.readLastID(d); err != nil {
		return err
	}
	if m.resumed {
		m.decoder.note = true
		err = m.decoder.decode(d, format, m.edit)
	} else {
		err = m.all(d, format)
	}
	if err != nil {
		return err
	}
	return expect(d, ']')
}

// all reads contents that nothing was before.
func (m *mirror) all(d *jsontext.Decoder, format monitorForm) error {
	m.edit = NewSnapshot(m.schema, m.layouts...).Edit()
	m.decoder.build = newBuilder(m.edit)
	err := m.decoder.decode(d, format, m.edit)
	if failed := m.decoder.build.finish(); err == nil {
		err = failed
	}
	m.decoder.build, m.decoder.rows, m.decoder.cells = nil, nil, nil
	return err
}

// initialDone publishes what initial read, once it is known that no error came with it.
func (m *mirror) initialDone(_ jsontext.Value, err error) {
	if err != nil || m.edit == nil {
		return
	}
	m.current = m.edit.Commit()
	m.edit = nil
	changes := m.decoder.changes
	m.decoder.note, m.decoder.changes = true, nil
	m.publish(m.current, changes, !m.resumed, m.lastID)
}

// update reads the parameters of an update notification.
func (m *mirror) update(d *jsontext.Decoder, format monitorForm) error {
	if err := expect(d, '['); err != nil {
		return err
	}
	id, err := d.ReadValue()
	if err != nil {
		return err
	}
	c := cursor{b: id}
	if name, _ := c.str(); name != m.database {
		return protocolError("an update for the monitor %s, which was not asked for", excerpt(id))
	}
	if m.current == nil {
		return protocolError("an update before the contents that it changes")
	}
	if format == form3 {
		if err := m.readLastID(d); err != nil {
			return err
		}
	}
	e := m.current.Edit()
	m.decoder.changes = nil // those before were given away
	if err := m.decoder.decode(d, format, e); err != nil {
		return err
	}
	if err := expect(d, ']'); err != nil {
		return err
	}
	m.current = e.Commit()
	m.publish(m.current, m.decoder.changes, false, m.lastID)
	return nil
}

func (m *mirror) readLastID(d *jsontext.Decoder) error {
	v, err := d.ReadValue()
	if err != nil {
		return err
	}
	c := cursor{b: v}
	id, ok := c.str()
	if !ok {
		return protocolError("%s is no transaction id", excerpt(v))
	}
	if m.lastID = id; id == noTransaction {
		m.lastID = ""
	}
	return nil
}

func expect(d *jsontext.Decoder, k jsontext.Kind) error {
	tok, err := d.ReadToken()
	if err != nil {
		return err
	}
	if tok.Kind() != k {
		return protocolError("there is a JSON %s where %s belongs", tok.Kind(), k)
	}
	return nil
}

// layoutsFor makes the layouts of the tables and columns that the schema has.
func layoutsFor(s *Schema, tables map[string][]string, indexes map[string][]Index) []*Layout {
	var layouts []*Layout
	for _, name := range slices.Sorted(maps.Keys(tables)) {
		t, ok := s.Tables[name]
		if !ok {
			continue
		}
		columns := tables[name]
		if columns == nil {
			columns = slices.Sorted(maps.Keys(t.Columns))
		}
		layouts = append(layouts, NewLayout(t, columns, indexes[name]...))
	}
	return layouts
}

// checkIndexes makes sure that each index is of columns that are mirrored.
func checkIndexes(tables map[string][]string, indexes map[string][]Index) error {
	for _, name := range slices.Sorted(maps.Keys(indexes)) {
		columns, ok := tables[name]
		if !ok {
			return fmt.Errorf("an index is asked for table %q, which is not mirrored", name)
		}
		for _, ix := range indexes[name] {
			for _, c := range ix.Columns {
				if columns != nil && !slices.Contains(columns, c) {
					return fmt.Errorf("table %q, index %q: the column %q is not mirrored", name, ix.Name, c)
				}
			}
		}
	}
	return nil
}
