package ovsdb

import (
	"strconv"
	"time"
)

// Op is one operation of a transaction (RFC 7047 §5.2). Make it with Insert,
// Select, Update, Mutate, Delete, Wait, Commit, Abort, Comment or Assert.
type Op struct {
	Kind  OpKind
	Table string

	UUIDName  string        // insert: the name for NamedUUID, or ""
	UUID      UUID          // insert: the new row's identity, or zero (not in RFC 7047; Open vSwitch 2.13 and later)
	Row       []Cell        // insert, update
	Where     []Condition   // select, update, mutate, delete, wait
	Columns   []string      // select: nil for all; wait
	Mutations []Mutation    // mutate
	Rows      [][]Cell      // wait
	Until     string        // wait: "==" or "!="
	Timeout   time.Duration // wait: 0 is "now or never"; negative: without a limit
	Durable   bool          // commit
	Text      string        // comment: the text; assert: the lock's name
}

// OpKind is the name of an operation as it stands in "op".
type OpKind string

// The operations of RFC 7047 §5.2.
const (
	OpInsert  OpKind = "insert"
	OpSelect  OpKind = "select"
	OpUpdate  OpKind = "update"
	OpMutate  OpKind = "mutate"
	OpDelete  OpKind = "delete"
	OpWait    OpKind = "wait"
	OpCommit  OpKind = "commit"
	OpAbort   OpKind = "abort"
	OpComment OpKind = "comment"
	OpAssert  OpKind = "assert"
)

// Cell is a column and its value.
type Cell struct {
	Column string
	Value  Value
}

// Condition is a 3-element clause of "where": column, function ("==", "!=",
// "<", "<=", ">", ">=", "includes", "excludes") and value (RFC 7047 §5.1).
type Condition struct {
	Column   string
	Function string
	Value    Value
}

// Mutation changes a column in place: mutator "+=", "-=", "*=", "/=", "%=",
// "insert" or "delete" (RFC 7047 §5.1). An insert into a map never replaces
// the value of a key that is there.
type Mutation struct {
	Column  string
	Mutator string
	Value   Value
}

// ByUUID is the where clause that names one row. It is the only one that a
// server finds without a scan of the table.
func ByUUID(u UUID) []Condition { return []Condition{{"_uuid", "==", u}} }

// Insert adds a row; uuidName may be "".
func Insert(table, uuidName string, row ...Cell) Op {
	return Op{Kind: OpInsert, Table: table, UUIDName: uuidName, Row: row}
}

// Select reads rows; without columns, all of them.
func Select(table string, where []Condition, columns ...string) Op {
	return Op{Kind: OpSelect, Table: table, Where: where, Columns: columns}
}

// Update sets columns of the rows found.
func Update(table string, where []Condition, row ...Cell) Op {
	return Op{Kind: OpUpdate, Table: table, Where: where, Row: row}
}

// Mutate changes columns of the rows found in place.
func Mutate(table string, where []Condition, mutations ...Mutation) Op {
	return Op{Kind: OpMutate, Table: table, Where: where, Mutations: mutations}
}

// Delete removes the rows found.
func Delete(table string, where []Condition) Op {
	return Op{Kind: OpDelete, Table: table, Where: where}
}

// WaitEqual fails the transaction unless the row holds the given cells now: a guard.
func WaitEqual(table string, row UUID, cells ...Cell) Op {
	columns := make([]string, len(cells))
	for i, c := range cells {
		columns[i] = c.Column
	}
	return Op{Kind: OpWait, Table: table, Where: ByUUID(row), Columns: columns, Until: "==", Rows: [][]Cell{cells}}
}

// Commit makes the transaction durable before it is answered, if durable.
func Commit(durable bool) Op { return Op{Kind: OpCommit, Durable: durable} }

// Abort makes the transaction fail.
func Abort() Op { return Op{Kind: OpAbort} }

// Comment is written into the server's log of the transaction.
func Comment(text string) Op { return Op{Kind: OpComment, Text: text} }

// Assert fails the transaction with NotOwner unless this session holds the lock.
func Assert(lock string) Op { return Op{Kind: OpAssert, Text: lock} }

// AppendJSON appends the operation's JSON form to b.
func (o *Op) AppendJSON(b []byte) []byte {
	b = append(b, `{"op":"`...)
	b = append(b, o.Kind...)
	b = append(b, '"')
	if o.Table != "" {
		b = append(b, `,"table":`...)
		b = appendString(b, o.Table)
	}
	switch o.Kind {
	case OpInsert:
		if o.UUIDName != "" {
			b = append(b, `,"uuid-name":`...)
			b = appendString(b, o.UUIDName)
		}
		if !o.UUID.IsZero() {
			b = append(b, `,"uuid":"`...)
			b = o.UUID.append(b)
			b = append(b, '"')
		}
		b = append(b, `,"row":`...)
		b = appendCells(b, o.Row)
	case OpSelect:
		b = appendWhere(b, o.Where)
		if o.Columns != nil {
			b = appendColumns(b, o.Columns)
		}
	case OpUpdate:
		b = appendWhere(b, o.Where)
		b = append(b, `,"row":`...)
		b = appendCells(b, o.Row)
	case OpMutate:
		b = appendWhere(b, o.Where)
		b = append(b, `,"mutations":[`...)
		for i, m := range o.Mutations {
			b = appendClause(b, i, m.Column, m.Mutator, m.Value)
		}
		b = append(b, ']')
	case OpDelete:
		b = appendWhere(b, o.Where)
	case OpWait:
		if o.Timeout >= 0 {
			b = append(b, `,"timeout":`...)
			b = strconv.AppendInt(b, o.Timeout.Milliseconds(), 10)
		}
		b = appendWhere(b, o.Where)
		b = appendColumns(b, o.Columns)
		b = append(b, `,"until":`...)
		b = appendString(b, o.Until)
		b = append(b, `,"rows":[`...)
		for i, r := range o.Rows {
			if i > 0 {
				b = append(b, ',')
			}
			b = appendCells(b, r)
		}
		b = append(b, ']')
	case OpCommit:
		b = append(b, `,"durable":`...)
		b = strconv.AppendBool(b, o.Durable)
	case OpComment:
		b = append(b, `,"comment":`...)
		b = appendString(b, o.Text)
	case OpAssert:
		b = append(b, `,"lock":`...)
		b = appendString(b, o.Text)
	}
	return append(b, '}')
}

// MarshalJSON is AppendJSON for encoding/json.
func (o Op) MarshalJSON() ([]byte, error) { return o.AppendJSON(nil), nil }

func appendCells(b []byte, cells []Cell) []byte {
	b = append(b, '{')
	for i, c := range cells {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendString(b, c.Column)
		b = append(b, ':')
		b = AppendValue(b, c.Value)
	}
	return append(b, '}')
}

func appendColumns(b []byte, columns []string) []byte {
	b = append(b, `,"columns":[`...)
	for i, c := range columns {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendString(b, c)
	}
	return append(b, ']')
}

func appendWhere(b []byte, where []Condition) []byte {
	b = append(b, `,"where":[`...)
	for i, c := range where {
		b = appendClause(b, i, c.Column, c.Function, c.Value)
	}
	return append(b, ']')
}

func appendClause(b []byte, i int, column, function string, v Value) []byte {
	if i > 0 {
		b = append(b, ',')
	}
	b = append(b, '[')
	b = appendString(b, column)
	b = append(b, ',')
	b = appendString(b, function)
	b = append(b, ',')
	b = AppendValue(b, v)
	return append(b, ']')
}
