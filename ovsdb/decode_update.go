package ovsdb

import (
	"errors"
	"fmt"

	"github.com/go-json-experiment/json/jsontext"
)

// monitorForm is the form in which a monitor tells of changes.
type monitorForm int

const (
	form1 monitorForm = iota + 1 // update, RFC 7047 §4.1.6: "old" and "new"
	form2                        // update2, of monitor_cond: "initial", "insert", "modify", "delete"
	form3                        // update3, of monitor_cond_since: as update2, with the id of the transaction
)

// rowChange is what one update did to one row.
type rowChange struct{ old, now *Row }

// updateDecoder reads <table-updates> from the token stream into an Edit. Only
// the text of one row at a time is held.
type updateDecoder struct {
	values  valueDecoder
	layouts map[string]*rowDecoder
	// changes are noted if note is set.
	note    bool
	changes []rowChange
	// build, if not nil, takes the rows instead of the Edit.
	build *builder
	rows  []Row   // allocated and not yet used, as are
	cells []Value // their values
}

// builder puts the rows of initial contents into an Edit, beside the goroutine
// that reads them: making the maps and indexes takes as long as reading.
type builder struct {
	edit  *Edit
	batch []*Row
	queue chan []*Row
	done  chan error
}

const (
	buildBatch = 512
	buildQueue = 16
)

func newBuilder(e *Edit) *builder {
	b := &builder{edit: e, queue: make(chan []*Row, buildQueue), done: make(chan error, 1)}
	go func() {
		var err error
		for batch := range b.queue {
			for _, r := range batch {
				if err == nil && e.Put(r) != nil {
					err = fmt.Errorf("table %q, row %s: %w", r.layout.Table.Name, r.uuid, errKnownRow)
				}
			}
		}
		b.done <- err
	}()
	return b
}

func (b *builder) add(r *Row) {
	if b.batch = append(b.batch, r); len(b.batch) == buildBatch {
		b.queue <- b.batch
		b.batch = make([]*Row, 0, buildBatch)
	}
}

// finish returns when all rows are in the Edit. It must be called.
func (b *builder) finish() error {
	b.queue <- b.batch
	close(b.queue)
	return <-b.done
}

type rowDecoder struct {
	layout   *Layout
	defaults []Value
}

func newUpdateDecoder(layouts []*Layout) *updateDecoder {
	d := &updateDecoder{layouts: make(map[string]*rowDecoder, len(layouts))}
	for _, l := range layouts {
		r := &rowDecoder{layout: l, defaults: make([]Value, len(l.Columns))}
		for i, c := range l.Columns {
			r.defaults[i] = c.Type.Default()
		}
		d.layouts[l.Table.Name] = r
	}
	return d
}

// decode reads one <table-updates> object and applies it to e. After an error
// e must not be used.
func (d *updateDecoder) decode(in *jsontext.Decoder, format monitorForm, e *Edit) error {
	return eachMember(in, func(name []byte) error {
		table, ok := d.layouts[string(name)]
		if !ok {
			return in.SkipValue()
		}
		tableName := table.layout.Table.Name
		return eachMember(in, func(name []byte) error {
			u, err := ParseUUID(name)
			if err != nil {
				return fmt.Errorf("table %q: %w", tableName, err)
			}
			text, err := in.ReadValue()
			if err != nil {
				return err
			}
			var ch rowChange
			c := cursor{b: text}
			switch {
			case d.build != nil:
				err = d.firstRow(table, u, &c)
			case format == form1:
				ch, err = d.row1(table, u, &c, e)
			default:
				ch, err = d.row2(table, u, &c, e)
			}
			if err != nil {
				return fmt.Errorf("table %q, row %s: %w", tableName, u, err)
			}
			if d.note {
				d.changes = append(d.changes, ch)
			}
			return nil
		})
	})
}

// firstRow reads a row of initial contents, in either form.
func (d *updateDecoder) firstRow(t *rowDecoder, u UUID, c *cursor) error {
	var now *Row
	for first := c.take('{'); c.more('}', first); first = false {
		name, _, _ := c.quoted()
		c.take(':')
		if s := string(name); now != nil || s != "initial" && s != "insert" && s != "new" {
			return fmt.Errorf("the initial contents have the member %q", name)
		}
		var err error
		if now, err = d.row(t, u, c, t.defaults); err != nil {
			return err
		}
	}
	if now == nil {
		return errors.New("the initial contents have no row")
	}
	d.build.add(now)
	return nil
}

// row1 applies a <row-update> of RFC 7047 §4.1.6.
func (d *updateDecoder) row1(t *rowDecoder, u UUID, c *cursor, e *Edit) (ch rowChange, err error) {
	var now *Row
	hasOld := false
	if !c.take('{') {
		return ch, fmt.Errorf("%s is no row update", c.from(0))
	}
	for first := true; c.more('}', first); first = false {
		name, _ := c.str()
		c.take(':')
		switch name {
		case "new":
			if now, err = d.row(t, u, c, t.defaults); err != nil {
				return ch, err
			}
		case "old":
			hasOld = true
			c.skip()
		default:
			c.skip()
		}
	}
	held := e.Get(t.layout.Table.Name, u)
	switch {
	case hasOld && held == nil:
		return ch, errUnknownRow
	case !hasOld && held != nil:
		return ch, errKnownRow
	case now == nil && !hasOld:
		return ch, errors.New(`the update has neither "old" nor "new"`)
	case now == nil:
		return rowChange{e.Delete(t.layout.Table.Name, u), nil}, nil
	}
	return rowChange{e.Put(now), now}, nil
}

// row2 applies a <row-update2> (ovsdb-server(7)).
func (d *updateDecoder) row2(t *rowDecoder, u UUID, c *cursor, e *Edit) (ch rowChange, err error) {
	if !c.take('{') {
		return ch, fmt.Errorf("%s is no row update", c.from(0))
	}
	done := false
	for first := true; c.more('}', first); first = false {
		name, _ := c.str()
		c.take(':')
		if done {
			return ch, fmt.Errorf("the update has more than one member: %q", name)
		}
		done = true
		switch name {
		case "initial", "insert":
			now, err := d.row(t, u, c, t.defaults)
			if err != nil {
				return ch, err
			}
			old := e.Put(now)
			if old != nil {
				return ch, errKnownRow
			}
			ch = rowChange{nil, now}
		case "modify":
			held := e.Get(t.layout.Table.Name, u)
			if held == nil {
				return ch, errUnknownRow
			}
			now, err := d.modified(t, held, c)
			if err != nil {
				return ch, err
			}
			ch = rowChange{e.Put(now), now}
		case "delete":
			c.skip()
			old := e.Delete(t.layout.Table.Name, u)
			if old == nil {
				return ch, errUnknownRow
			}
			ch = rowChange{old, nil}
		default:
			return ch, fmt.Errorf("the update has the unknown member %q", name)
		}
	}
	if !done {
		return ch, errors.New("the update is empty")
	}
	return ch, nil
}

// row reads a <row>; columns that it lacks are as in base.
func (d *updateDecoder) row(t *rowDecoder, u UUID, c *cursor, base []Value) (*Row, error) {
	r := d.newRow(len(base))
	r.uuid, r.layout = u, t.layout
	copy(r.values, base)
	err := d.members(t, c, func(i int, v Value) error {
		r.values[i] = v
		return nil
	})
	return r, err
}

// slabRows is how many rows of initial contents are allocated together. Such a
// row keeps its neighbours' memory, but no more than the initial contents took.
const slabRows = 64

func (d *updateDecoder) newRow(columns int) *Row {
	if d.build == nil {
		return &Row{values: make([]Value, columns)}
	}
	if len(d.rows) == 0 {
		d.rows = make([]Row, slabRows)
	}
	if len(d.cells) < columns {
		d.cells = make([]Value, slabRows*columns)
	}
	r := &d.rows[0]
	d.rows = d.rows[1:]
	r.values, d.cells = d.cells[:columns:columns], d.cells[columns:]
	return r
}

// modified reads the differences to a row that is held.
func (d *updateDecoder) modified(t *rowDecoder, held *Row, c *cursor) (*Row, error) {
	values := make([]Value, len(held.values))
	copy(values, held.values)
	err := d.members(t, c, func(i int, v Value) error {
		var err error
		if ty := &t.layout.Columns[i].Type; ty.Max > 1 {
			v, err = xor(values[i], v)
		}
		values[i] = v
		return err
	})
	return &Row{uuid: held.uuid, layout: t.layout, values: values}, err
}

func (d *updateDecoder) members(t *rowDecoder, c *cursor, set func(i int, v Value) error) error {
	if !c.take('{') {
		return fmt.Errorf("%s is no row", c.from(c.i))
	}
	for first := true; c.more('}', first); first = false {
		name, escaped, ok := c.quoted()
		if !ok || escaped || !c.take(':') {
			return fmt.Errorf("%s is no column and value", c.from(c.i))
		}
		i, ok := t.layout.position[string(name)]
		if !ok {
			c.skip()
			continue
		}
		v, err := d.values.value(c, &t.layout.Columns[i].Type)
		if err == nil {
			err = set(i, v)
		}
		if err != nil {
			return fmt.Errorf("column %q: %w", t.layout.Columns[i].Name, err)
		}
	}
	return nil
}

// eachMember reads one object; f must read the member's value. The name is only
// valid until it does. A null counts as an empty object.
func eachMember(in *jsontext.Decoder, f func(name []byte) error) error {
	if in.PeekKind() == 'n' {
		return in.SkipValue()
	}
	tok, err := in.ReadToken()
	if err != nil {
		return err
	}
	if tok.Kind() != '{' {
		return fmt.Errorf("there is a JSON %s where an object belongs", tok.Kind())
	}
	for in.PeekKind() != '}' {
		name, err := in.ReadValue()
		if err != nil {
			return err
		}
		if len(name) < 2 || name[0] != '"' {
			return fmt.Errorf("%s is no member's name", excerpt(name))
		}
		if err := f(name[1 : len(name)-1]); err != nil {
			return err
		}
	}
	_, err = in.ReadToken()
	return err
}
