package ovsdb

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
)

// ParseSchema reads the JSON form of a schema (RFC 7047 §3.2), as a .ovsschema
// file or the answer to get_schema has it. Every member that the RFC and
// ovsdb-server define is checked; members beyond those are ignored, since later
// servers may have more of them.
func ParseSchema(data []byte) (*Schema, error) {
	var in struct {
		Name    *string                    `json:"name"`
		Version string                     `json:"version"`
		Cksum   string                     `json:"cksum"`
		Tables  map[string]json.RawMessage `json:"tables"`
	}
	if err := unmarshalExactly(data, &in); err != nil {
		return nil, fmt.Errorf("schema: %w", err)
	}
	if in.Name == nil {
		return nil, errors.New(`schema: the member "name" is missing`)
	}
	if !isID(*in.Name) {
		return nil, fmt.Errorf("schema: name: %q is no identifier", *in.Name)
	}
	if in.Tables == nil {
		return nil, fmt.Errorf(`schema %q: the member "tables" is missing`, *in.Name)
	}
	s := &Schema{Name: *in.Name, Version: in.Version, Cksum: in.Cksum, Tables: make(map[string]*TableSchema, len(in.Tables))}
	for _, name := range slices.Sorted(maps.Keys(in.Tables)) {
		t, err := parseTable(name, in.Tables[name])
		if err != nil {
			return nil, fmt.Errorf("schema %q: table %q: %w", s.Name, name, err)
		}
		s.Tables[name] = t
	}
	if err := s.checkReferences(); err != nil {
		return nil, fmt.Errorf("schema %q: %w", s.Name, err)
	}
	anyRoot := false
	for _, t := range s.Tables {
		anyRoot = anyRoot || t.IsRoot
	}
	if !anyRoot { // RFC 7047 §3.2, <table-schema>: a schema from before isRoot was invented
		for _, t := range s.Tables {
			t.IsRoot = true
		}
	}
	s.keepStrongReferences()
	return s, nil
}

// keepStrongReferences makes columns persistent that keep rows of non-root
// tables alive, as ovsdb-server does: they could not be lost alone.
func (s *Schema) keepStrongReferences() {
	keeps := func(b *BaseType) bool {
		return b != nil && b.RefTable != "" && !b.RefWeak && !s.Tables[b.RefTable].IsRoot
	}
	for _, t := range s.Tables {
		for _, c := range t.Columns {
			if keeps(&c.Type.Key) || keeps(c.Type.Value) {
				c.Ephemeral = false
			}
		}
	}
}

func parseTable(name string, data []byte) (*TableSchema, error) {
	if err := checkOwnName(name); err != nil {
		return nil, err
	}
	var in struct {
		Columns map[string]json.RawMessage `json:"columns"`
		MaxRows *int64                     `json:"maxRows"`
		IsRoot  bool                       `json:"isRoot"`
		Indexes [][]string                 `json:"indexes"`
	}
	if err := unmarshalExactly(data, &in); err != nil {
		return nil, err
	}
	if len(in.Columns) == 0 {
		return nil, errors.New(`"columns" must have at least one column`)
	}
	t := &TableSchema{Name: name, Columns: make(map[string]*ColumnSchema, len(in.Columns)), MaxRows: math.MaxInt64, IsRoot: in.IsRoot, Indexes: in.Indexes}
	if in.MaxRows != nil {
		if t.MaxRows = *in.MaxRows; t.MaxRows < 1 {
			return nil, fmt.Errorf("maxRows is %d, it must be 1 or more", t.MaxRows)
		}
	}
	for _, column := range slices.Sorted(maps.Keys(in.Columns)) {
		c, err := parseColumn(column, in.Columns[column])
		if err != nil {
			return nil, fmt.Errorf("column %q: %w", column, err)
		}
		t.Columns[column] = c
	}
	for i, index := range t.Indexes {
		if len(index) == 0 {
			return nil, fmt.Errorf("indexes[%d] has no columns", i)
		}
		for j, column := range index {
			c, ok := t.Columns[column]
			switch {
			case !ok:
				return nil, fmt.Errorf("indexes[%d]: there is no column %q", i, column)
			case c.Ephemeral:
				return nil, fmt.Errorf("indexes[%d]: the column %q is ephemeral and cannot be in an index", i, column)
			case slices.Contains(index[:j], column):
				return nil, fmt.Errorf("indexes[%d] has the column %q twice", i, column)
			}
		}
	}
	return t, nil
}

func parseColumn(name string, data []byte) (*ColumnSchema, error) {
	if err := checkOwnName(name); err != nil {
		return nil, err
	}
	var in struct {
		Type      json.RawMessage `json:"type"`
		Ephemeral bool            `json:"ephemeral"`
		Mutable   *bool           `json:"mutable"`
	}
	if err := unmarshalExactly(data, &in); err != nil {
		return nil, err
	}
	if in.Type == nil {
		return nil, errors.New(`the member "type" is missing`)
	}
	c := &ColumnSchema{Name: name, Ephemeral: in.Ephemeral, Mutable: in.Mutable == nil || *in.Mutable}
	var err error
	if c.Type, err = parseColumnType(in.Type); err != nil {
		return nil, fmt.Errorf("type: %w", err)
	}
	return c, nil
}

func parseColumnType(data []byte) (ColumnType, error) {
	t := ColumnType{Min: 1, Max: 1}
	if isJSONString(data) {
		var err error
		t.Key, err = parseBaseType(data)
		return t, err
	}
	var in struct {
		Key   json.RawMessage `json:"key"`
		Value json.RawMessage `json:"value"`
		Min   *int            `json:"min"`
		Max   json.RawMessage `json:"max"`
	}
	if err := unmarshalExactly(data, &in); err != nil {
		return t, err
	}
	if in.Key == nil {
		return t, errors.New(`the member "key" is missing`)
	}
	var err error
	if t.Key, err = parseBaseType(in.Key); err != nil {
		return t, fmt.Errorf("key: %w", err)
	}
	if in.Value != nil {
		v, err := parseBaseType(in.Value)
		if err != nil {
			return t, fmt.Errorf("value: %w", err)
		}
		t.Value = &v
	}
	if in.Min != nil {
		t.Min = *in.Min
	}
	switch {
	case in.Max == nil:
	case string(in.Max) == `"unlimited"`:
		t.Max = Unlimited
	default:
		if err := json.Unmarshal(in.Max, &t.Max); err != nil {
			return t, fmt.Errorf(`max is %s, it must be an integer or "unlimited"`, in.Max)
		}
	}
	if t.Min != 0 && t.Min != 1 {
		return t, fmt.Errorf("min is %d, it must be 0 or 1", t.Min)
	}
	if t.Max < 1 {
		return t, fmt.Errorf("max is %d, it must be 1 or more", t.Max)
	}
	return t, nil
}

func parseBaseType(data []byte) (BaseType, error) {
	b := BaseType{
		MinInteger: math.MinInt64, MaxInteger: math.MaxInt64,
		MinReal: -math.MaxFloat64, MaxReal: math.MaxFloat64,
		MaxLength: math.MaxInt,
	}
	if isJSONString(data) {
		if err := json.Unmarshal(data, &b.Type); err != nil {
			return b, err
		}
		return b, b.checkType()
	}
	var in struct {
		Type       *AtomType       `json:"type"`
		Enum       json.RawMessage `json:"enum"`
		MinInteger *int64          `json:"minInteger"`
		MaxInteger *int64          `json:"maxInteger"`
		MinReal    *float64        `json:"minReal"`
		MaxReal    *float64        `json:"maxReal"`
		MinLength  *int            `json:"minLength"`
		MaxLength  *int            `json:"maxLength"`
		RefTable   *string         `json:"refTable"`
		RefType    *string         `json:"refType"`
	}
	if err := unmarshalExactly(data, &in); err != nil {
		return b, err
	}
	if in.Type == nil {
		return b, errors.New(`the member "type" is missing`)
	}
	b.Type = *in.Type
	if err := b.checkType(); err != nil {
		return b, err
	}
	ranged := false
	only := func(member string, given bool, of AtomType) error {
		if given && b.Type != of {
			return fmt.Errorf("%s is for the type %q, not for %q", member, of, b.Type)
		}
		ranged = ranged || given && of != TypeUUID
		return nil
	}
	if err := errors.Join(
		only("minInteger", in.MinInteger != nil, TypeInteger), only("maxInteger", in.MaxInteger != nil, TypeInteger),
		only("minReal", in.MinReal != nil, TypeReal), only("maxReal", in.MaxReal != nil, TypeReal),
		only("minLength", in.MinLength != nil, TypeString), only("maxLength", in.MaxLength != nil, TypeString),
		only("refTable", in.RefTable != nil, TypeUUID), only("refType", in.RefType != nil, TypeUUID),
	); err != nil {
		return b, err
	}
	b.MinInteger, b.MaxInteger = or(in.MinInteger, b.MinInteger), or(in.MaxInteger, b.MaxInteger)
	b.MinReal, b.MaxReal = or(in.MinReal, b.MinReal), or(in.MaxReal, b.MaxReal)
	b.MinLength, b.MaxLength = or(in.MinLength, b.MinLength), or(in.MaxLength, b.MaxLength)
	switch {
	case b.MinInteger > b.MaxInteger:
		return b, fmt.Errorf("minInteger %d is greater than maxInteger %d", b.MinInteger, b.MaxInteger)
	case b.MinReal > b.MaxReal:
		return b, fmt.Errorf("minReal %g is greater than maxReal %g", b.MinReal, b.MaxReal)
	case b.MinLength < 0:
		return b, fmt.Errorf("minLength is %d, it must be 0 or more", b.MinLength)
	case b.MinLength > b.MaxLength:
		return b, fmt.Errorf("minLength %d is greater than maxLength %d", b.MinLength, b.MaxLength)
	}
	if in.Enum != nil {
		if ranged {
			return b, errors.New("enum and a range exclude each other")
		}
		atoms, err := parseEnum(in.Enum, b.Type)
		if err != nil {
			return b, fmt.Errorf("enum: %w", err)
		}
		b.Enum = &atoms
	}
	b.RefTable = or(in.RefTable, "")
	if in.RefTable != nil && !isID(b.RefTable) {
		return b, fmt.Errorf("refTable: %q is no identifier", b.RefTable)
	}
	switch refType := or(in.RefType, "strong"); {
	case in.RefType != nil && in.RefTable == nil:
		return b, errors.New("refType without refTable")
	case refType == "weak":
		b.RefWeak = true
	case refType != "strong":
		return b, fmt.Errorf(`refType is %q, it must be "strong" or "weak"`, refType)
	}
	return b, nil
}

// parseEnum reads a set of atoms, or one bare atom.
func parseEnum(data []byte, of AtomType) (Set, error) {
	var pair []json.RawMessage
	var elements []json.RawMessage
	if json.Unmarshal(data, &pair) == nil && len(pair) == 2 && string(pair[0]) == `"set"` {
		if err := json.Unmarshal(pair[1], &elements); err != nil {
			return Set{}, fmt.Errorf(`%s is no set, which would be ["set",[…]]`, data)
		}
	} else {
		elements = []json.RawMessage{data}
	}
	if len(elements) == 0 {
		return Set{}, errors.New("it has no elements, so that no value would be valid")
	}
	atoms := make([]Value, len(elements))
	for i, e := range elements {
		var err error
		switch of {
		case TypeInteger:
			atoms[i], err = unmarshalAs[int64](e)
		case TypeReal:
			atoms[i], err = unmarshalAs[float64](e)
		case TypeBoolean:
			atoms[i], err = unmarshalAs[bool](e)
		case TypeString:
			atoms[i], err = unmarshalAs[string](e)
		case TypeUUID:
			var tagged [2]string
			if err = json.Unmarshal(e, &tagged); err == nil {
				atoms[i], err = ParseUUID(tagged[1])
			}
		}
		if err != nil {
			return Set{}, fmt.Errorf("%s is no %s", e, of)
		}
	}
	return NewSet(atoms...), nil
}

// checkReferences makes sure that each refTable is there.
func (s *Schema) checkReferences() error {
	for _, name := range slices.Sorted(maps.Keys(s.Tables)) {
		t := s.Tables[name]
		for _, column := range slices.Sorted(maps.Keys(t.Columns)) {
			ty := &t.Columns[column].Type
			for _, b := range []*BaseType{&ty.Key, ty.Value} {
				if b == nil || b.RefTable == "" {
					continue
				}
				if _, ok := s.Tables[b.RefTable]; !ok {
					return fmt.Errorf("table %q: column %q refers to the table %q, which is not there", name, column, b.RefTable)
				}
			}
		}
	}
	return nil
}

func (b *BaseType) checkType() error {
	switch b.Type {
	case TypeInteger, TypeReal, TypeBoolean, TypeString, TypeUUID:
		return nil
	}
	return fmt.Errorf("%q is no atomic type: integer, real, boolean, string, uuid", b.Type)
}

// MarshalJSON writes the schema's JSON form, the same bytes for the same schema.
func (s *Schema) MarshalJSON() ([]byte, error) {
	type member = map[string]any
	tables := make(member, len(s.Tables))
	for name, t := range s.Tables {
		columns := make(member, len(t.Columns))
		for column, c := range t.Columns {
			m := member{"type": c.Type.json()}
			if c.Ephemeral {
				m["ephemeral"] = true
			}
			if !c.Mutable {
				m["mutable"] = false
			}
			columns[column] = m
		}
		m := member{"columns": columns}
		if t.MaxRows != math.MaxInt64 {
			m["maxRows"] = t.MaxRows
		}
		if t.IsRoot {
			m["isRoot"] = true
		}
		if len(t.Indexes) > 0 {
			m["indexes"] = t.Indexes
		}
		tables[name] = m
	}
	m := member{"name": s.Name, "version": s.Version, "tables": tables}
	if s.Cksum != "" {
		m["cksum"] = s.Cksum
	}
	return json.Marshal(m)
}

func (t *ColumnType) json() any {
	key := t.Key.json()
	if _, plain := key.(AtomType); plain && t.IsScalar() {
		return key
	}
	m := map[string]any{"key": key}
	if t.Value != nil {
		m["value"] = t.Value.json()
	}
	if t.Min != 1 {
		m["min"] = t.Min
	}
	switch t.Max {
	case 1:
	case Unlimited:
		m["max"] = "unlimited"
	default:
		m["max"] = t.Max
	}
	return m
}

func (b *BaseType) json() any {
	m := map[string]any{}
	if b.Enum != nil {
		m["enum"] = json.RawMessage(AppendValue(nil, *b.Enum))
	}
	// The limits of another type are zero in a BaseType that was not parsed.
	switch b.Type {
	case TypeInteger:
		putUnless(m, "minInteger", b.MinInteger, math.MinInt64)
		putUnless(m, "maxInteger", b.MaxInteger, math.MaxInt64)
	case TypeReal:
		putUnless(m, "minReal", b.MinReal, -math.MaxFloat64)
		putUnless(m, "maxReal", b.MaxReal, math.MaxFloat64)
	case TypeString:
		putUnless(m, "minLength", b.MinLength, 0)
		putUnless(m, "maxLength", b.MaxLength, math.MaxInt)
	case TypeUUID:
		putUnless(m, "refTable", b.RefTable, "")
		if b.RefWeak {
			m["refType"] = "weak"
		}
	}
	if len(m) == 0 {
		return b.Type
	}
	m["type"] = b.Type
	return m
}

func putUnless[T comparable](m map[string]any, name string, v, unless T) {
	if v != unless {
		m[name] = v
	}
}

func or[T any](p *T, otherwise T) T {
	if p != nil {
		return *p
	}
	return otherwise
}

func unmarshalAs[T any](data []byte) (v T, err error) {
	if bytes.Equal(data, []byte("null")) {
		return v, errors.New("null")
	}
	err = json.Unmarshal(data, &v)
	return v, err
}

// unmarshalExactly reads one JSON object and nothing after it; the errors do
// not speak of Go types.
func unmarshalExactly(data []byte, into any) error {
	if b := bytes.TrimLeft(data, " \t\r\n"); len(b) == 0 || b[0] != '{' {
		return fmt.Errorf("%s is no JSON object", excerpt(data))
	}
	d := json.NewDecoder(bytes.NewReader(data))
	err := d.Decode(into)
	var wrong *json.UnmarshalTypeError
	switch {
	case errors.As(err, &wrong):
		return fmt.Errorf("the member %q is a JSON %s, which is not what belongs there", wrong.Field, wrong.Value)
	case errors.Is(err, io.ErrUnexpectedEOF):
		return errors.New("the JSON text ends too early")
	case err != nil:
		return errors.New(strings.TrimPrefix(err.Error(), "json: "))
	}
	if _, err := d.Token(); err != io.EOF {
		return errors.New("there is more after the JSON object")
	}
	return nil
}

func isJSONString(data []byte) bool { return len(data) > 0 && data[0] == '"' }

// isID is RFC 7047 §3.1, <id>.
func isID(s string) bool {
	for i := range len(s) {
		c := s[i]
		if c != '_' && (c|0x20 < 'a' || c|0x20 > 'z') && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return s != ""
}

// checkOwnName is for the names of tables and columns that a schema defines.
func checkOwnName(name string) error {
	if !isID(name) {
		return errors.New("the name is no identifier")
	}
	if name[0] == '_' {
		return errors.New("names that begin with _ are the protocol's own")
	}
	return nil
}

// excerpt quotes the beginning of a peer's text for an error message.
func excerpt(data []byte) string {
	const most = 60
	if len(data) > most {
		return strconv.Quote(string(data[:most])) + "…"
	}
	return strconv.Quote(string(data))
}
