package ovsdb

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"l2gw/test/ovsdbd"
)

// TestRandomTransactionsEndAsInOpenVSwitch sends the same random transactions,
// good and bad ones, to both servers, and compares each answer, what monitors
// are told, and in the end the contents.
//
// Of errors the code is compared and not the text: where a transaction breaks
// several rules at once, which row is named depends on hash tables.
func TestRandomTransactionsEndAsInOpenVSwitch(t *testing.T) {
	text, err := os.ReadFile("testdata/conformance/types.ovsschema")
	if err != nil {
		t.Fatal(err)
	}
	schema, err := ParseSchema(text)
	if err != nil {
		t.Fatal(err)
	}
	real := ovsdbd.Start(t, ovsdbd.Options{Schema: text})
	address := startServer(t, text)
	var ours, theirs *rawClient
	connect := func() {
		ours, theirs = dialRaw(t, "tcp", address), dialRaw(t, "unix", real.Socket)
		for id, method := range []string{"monitor", "monitor_cond"} {
			for _, c := range []*rawClient{ours, theirs} {
				exchange(t, c, "", method, fmt.Sprintf(`["types",%d,{"Atoms":{},"Limits":{},"Index":{},"Three":{},"Root":{},"Child":{},"Weak":{}}]`, id))
			}
		}
		for _, c := range []*rawClient{ours, theirs} {
			exchange(t, c, "", "monitor_cond_since", fmt.Sprintf(
				`["types","since",{"Atoms":{"where":[["i",">",3],["b","==",true]]},"Root":{"columns":["name"],"where":[["child","!=",["set",[]]]]}},%q]`, UUID{}))
		}
	}
	connect()
	// Open vSwitch's server has bugs of its own: some transactions end it.
	deaths := 0
	runs, transactions, failures, notifications := 0, 0, 0, 0
	rapid.Check(t, func(rt *rapid.T) {
		runs++
		g := &generator{rt: rt, schema: schema}
		script := g.reset()
		for range rapid.IntRange(1, 12).Draw(rt, "transactions") {
			script = append(script, g.transaction())
		}
		all := strings.Join(script, "\n")
		for n, params := range append(script, g.dump()) {
			a := exchange(t, ours, all, "transact", params)
			b, alive := attempt(t, theirs, all, "transact", params)
			if !alive {
				if deaths++; deaths > maxDeaths {
					rt.Fatalf("Open vSwitch's server ended %d times, now at %s", deaths, params)
				}
				t.Logf("Open vSwitch's server ended at %s", params)
				real.Kill() // what is left of it
				real.Run()
				connect()
				for _, c := range []*rawClient{ours, theirs} {
					for _, params := range g.reset() { // only theirs has lost what came before
						exchange(t, c, all, "transact", params)
					}
				}
				return
			}
			transactions++
			notifications += b.messages - 1
			if strings.Contains(b.codes[len(b.codes)-1], `"error":"`) {
				failures++
			}
			if d := firstDifference(a.codes, b.codes); d != "" {
				rt.Fatalf("transaction %d: %s\n%s", n, params, d)
			}
		}
	})
	t.Logf("%d runs, %d transactions, %d of them failed on both, %d notifications", runs, transactions, failures, notifications)
	if failures == 0 || failures == transactions {
		t.Error("the transactions are not a mixture of good and bad ones")
	}
}

// maxDeaths is how often Open vSwitch's server may end in one test.
const maxDeaths = 3

// exchange sends one request and returns what the client is told.
func exchange(t testing.TB, c *rawClient, script, method, params string) transcript {
	t.Helper()
	out, alive := attempt(t, c, script, method, params)
	if !alive {
		t.Fatalf("a server hung up at %s", params)
	}
	return out
}

// attempt is exchange with a server that may hang up.
func attempt(t testing.TB, c *rawClient, script, method, params string) (out transcript, alive bool) {
	t.Helper()
	pen := &scribe{script: script, out: &out}
	pen.line("")
	c.send(`{"method":"` + method + `","params":` + params + `,"id":1}`)
	for {
		m := c.receive(t)
		if m == nil {
			return out, false
		}
		pen.say("a", m)
		if m["method"] == nil {
			break
		}
	}
	pen.flush()
	return out, true
}

// generator makes random transactions.
type generator struct {
	rt     *rapid.T
	schema *Schema
	next   int
}

// poolUUID is one of the identities that rows are given, few, so that references often meet.
func poolUUID(n int) string { return fmt.Sprintf("00000000-0000-0000-0000-%012d", n) }

func (g *generator) pick(label string, n int) int { return rapid.IntRange(0, n-1).Draw(g.rt, label) }

// reset empties the database.
func (g *generator) reset() []string {
	var ops []string
	for _, table := range []string{"Atoms", "Limits", "Enum", "Index", "Single", "Three", "Weak", "Root"} {
		ops = append(ops, fmt.Sprintf(`{"op":"delete","table":%q,"where":[]}`, table))
	}
	// Rows of Child that keep one another alive.
	ops = append(ops, `{"op":"update","table":"Child","where":[],"row":{"parts":["set",[]]}}`)
	return []string{`["types",` + strings.Join(ops, ",") + `]`}
}

func (g *generator) dump() string {
	var ops []string
	for _, table := range []string{"Atoms", "Limits", "Enum", "Index", "Single", "Three", "Weak", "Root", "Child"} {
		ops = append(ops, fmt.Sprintf(`{"op":"select","table":%q,"where":[]}`, table))
	}
	return `["types",` + strings.Join(ops, ",") + `]`
}

func (g *generator) transaction() string {
	ops := []string{`"types"`}
	for range rapid.IntRange(1, 5).Draw(g.rt, "operations") {
		ops = append(ops, g.operation())
	}
	return "[" + strings.Join(ops, ",") + "]"
}

func (g *generator) operation() string {
	tables := []string{"Atoms", "Limits", "Index", "Three", "Root", "Root", "Child", "Child", "Weak"}
	name := tables[g.pick("table", len(tables))]
	t := g.schema.Tables[name]
	switch g.pick("op", 10) {
	case 0, 1, 2, 3:
		return fmt.Sprintf(`{"op":"insert","table":%q,"uuid":%q,"row":%s}`, name, poolUUID(g.pick("uuid", 12)), g.row(t, true))
	case 4, 5:
		return fmt.Sprintf(`{"op":"update","table":%q,"where":%s,"row":%s}`, name, g.where(t), g.row(t, false))
	case 6, 7:
		c := g.column(t)
		mutators := []string{"insert", "delete", "insert", "delete", "+=", "-=", "*=", "/=", "%="}
		if c.Type.Max > 1 {
			// The process of ovsdb-server 3.1 ends at some arithmetic on sets that
			// makes duplicates: [1,2,3] times -1, and in the next transaction times 0.
			mutators = mutators[:2]
		}
		mutator, value := mutators[g.pick("mutator", len(mutators))], g.value(&c.Type)
		if mutator == "*=" && c.Type.Key.Type == TypeInteger && value == "0" {
			value = "1" // at an integer times 0 it divides by 0, to see whether the product fits, and ends
		}
		return fmt.Sprintf(`{"op":"mutate","table":%q,"where":%s,"mutations":[[%q,%q,%s]]}`, name, g.where(t), c.Name, mutator, value)
	case 8:
		return fmt.Sprintf(`{"op":"delete","table":%q,"where":%s}`, name, g.where(t))
	default:
		return fmt.Sprintf(`{"op":"select","table":%q,"where":%s}`, name, g.where(t))
	}
}

func (g *generator) column(t *TableSchema) *ColumnSchema {
	names := slices.Sorted(maps.Keys(t.Columns))
	return t.Columns[names[g.pick("column", len(names))]]
}

// row has the columns that a good row needs, and perhaps one other.
func (g *generator) row(t *TableSchema, insert bool) string {
	cells := map[string]json.RawMessage{}
	if insert {
		g.next++
		switch t.Name {
		case "Weak":
			cells["must"] = json.RawMessage(fmt.Sprintf(`["uuid",%q]`, poolUUID(g.pick("must", 12))))
		case "Child":
			cells["name"] = json.RawMessage(fmt.Sprintf(`"c%d"`, g.pick("name", 6)))
		case "Index":
			cells["a"] = json.RawMessage(fmt.Sprint(g.pick("a", 4)))
			cells["b"] = json.RawMessage(fmt.Sprintf(`"%d"`, g.next))
		case "Root":
			cells["child"] = json.RawMessage(fmt.Sprintf(`["uuid",%q]`, poolUUID(g.pick("child", 12))))
		}
	}
	if len(cells) == 0 || g.pick("more", 3) == 0 {
		c := g.column(t)
		cells[c.Name] = json.RawMessage(g.value(&c.Type))
	}
	b, _ := json.Marshal(cells)
	return string(b)
}

func (g *generator) where(t *TableSchema) string {
	switch g.pick("where", 4) {
	case 0:
		return "[]"
	case 1, 2:
		return fmt.Sprintf(`[["_uuid","==",["uuid",%q]]]`, poolUUID(g.pick("uuid", 12)))
	}
	c := g.column(t)
	functions := []string{"==", "!=", "<", "<=", ">", ">=", "includes", "excludes"}
	return fmt.Sprintf(`[[%q,%q,%s]]`, c.Name, functions[g.pick("function", len(functions))], g.value(&c.Type))
}

// value is a value of the type, sometimes of another size or out of range.
func (g *generator) value(t *ColumnType) string {
	if t.IsScalar() || g.pick("bare", 4) == 0 && !t.IsMap() {
		return g.atom(&t.Key)
	}
	var elements []string
	seen := map[string]bool{}
	for range g.pick("size", 4) {
		k := g.atom(&t.Key)
		if seen[k] {
			continue
		}
		seen[k] = true
		if t.IsMap() {
			k = "[" + k + "," + g.atom(t.Value) + "]"
		}
		elements = append(elements, k)
	}
	class := "set"
	if t.IsMap() {
		class = "map"
	}
	return fmt.Sprintf(`[%q,[%s]]`, class, strings.Join(elements, ","))
}

func (g *generator) atom(b *BaseType) string {
	switch b.Type {
	case TypeInteger:
		return fmt.Sprint(rapid.Int64Range(-3, 12).Draw(g.rt, "integer"))
	case TypeReal:
		return fmt.Sprint(float64(rapid.Int64Range(-8, 12).Draw(g.rt, "real")) / 4)
	case TypeBoolean:
		return []string{"true", "false"}[g.pick("boolean", 2)]
	case TypeString:
		return []string{`"red"`, `"ab"`, `"blue"`, `"c1"`, `"longer"`, `""`}[g.pick("string", 6)]
	}
	return fmt.Sprintf(`["uuid",%q]`, poolUUID(g.pick("uuid", 12)))
}
