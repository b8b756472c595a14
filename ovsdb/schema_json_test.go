package ovsdb

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"l2gw/test/ovsdbd"
)

func readSchemaFile(t testing.TB, file string) []byte {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatalf("%v: run `make deps`", err)
	}
	return data
}

func TestASchemaSurvivesBeingWrittenAndReadAgain(t *testing.T) {
	for _, file := range []string{ovsdbd.VTEPSchema, "/usr/share/openvswitch/vswitch.ovsschema"} {
		first, err := ParseSchema(readSchemaFile(t, file))
		if err != nil {
			t.Fatal(err)
		}
		text, err := json.Marshal(first)
		if err != nil {
			t.Fatal(err)
		}
		second, err := ParseSchema(text)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(first, second, cmp.AllowUnexported(Set{})); diff != "" {
			t.Errorf("%s (-first +second):\n%s", file, diff)
		}
	}
}

func TestTheVTEPSchemaIsReadRight(t *testing.T) {
	s, err := ParseSchema(readSchemaFile(t, ovsdbd.VTEPSchema))
	if err != nil {
		t.Fatal(err)
	}
	if s.Name != "hardware_vtep" || s.Version == "" || s.Cksum == "" {
		t.Errorf("name %q, version %q, cksum %q", s.Name, s.Version, s.Cksum)
	}
	loc := s.Tables["Physical_Locator"]
	if loc.IsRoot || !s.Tables["Global"].IsRoot {
		t.Error("Physical_Locator must not be a root table, Global must be")
	}
	enc := loc.Columns["encapsulation_type"]
	if enc.Mutable || !enc.Type.IsScalar() || enc.Type.Key.Enum == nil || !enc.Type.Key.Enum.Has("vxlan_over_ipv4") {
		t.Errorf("Physical_Locator.encapsulation_type: %+v", enc)
	}
	bindings := s.Tables["Physical_Port"].Columns["vlan_bindings"].Type
	if !bindings.IsMap() || bindings.Max != Unlimited || bindings.Min != 0 || bindings.Key.MaxInteger != 4095 || bindings.Value.RefTable != "Logical_Switch" {
		t.Errorf("Physical_Port.vlan_bindings: %+v", bindings)
	}
	if !s.Tables["Logical_Switch"].Columns["tunnel_key"].Type.IsOptional() {
		t.Error("Logical_Switch.tunnel_key must be optional")
	}
	if s.Tables["Global"].MaxRows != 1 {
		t.Errorf("Global: maxRows is %d", s.Tables["Global"].MaxRows)
	}
}

func TestABadSchemaIsRefusedWithAReason(t *testing.T) {
	column := func(ty string) string {
		return `{"name":"d","version":"1.0.0","tables":{"T":{"columns":{"c":{"type":` + ty + `}}}}}`
	}
	for _, c := range []struct{ schema, want string }{
		{``, `is no JSON object`},
		{`[]`, `is no JSON object`},
		{`{"name":"d"`, `ends too early`},
		{`{"tables":{}}`, `"name" is missing`},
		{`{"name":"a b","tables":{}}`, `"a b" is no identifier`},
		{`{"name":"d"}`, `"tables" is missing`},
		{`{"name":"d","tables":{}} x`, `more after`},
		{`{"name":"d","tables":{"_T":{"columns":{"c":{"type":"string"}}}}}`, `begin with _`},
		{`{"name":"d","tables":{"T":{"columns":{}}}}`, `at least one column`},
		{`{"name":"d","tables":{"T":{"columns":{"_c":{"type":"string"}}}}}`, `begin with _`},
		{`{"name":"d","tables":{"T":{"columns":{"c":{}}}}}`, `"type" is missing`},
		{`{"name":"d","tables":{"T":{"maxRows":0,"columns":{"c":{"type":"string"}}}}}`, `maxRows is 0`},
		{`{"name":"d","tables":{"T":{"indexes":[["x"]],"columns":{"c":{"type":"string"}}}}}`, `no column "x"`},
		{`{"name":"d","tables":{"T":{"indexes":[["c"]],"columns":{"c":{"type":"string","ephemeral":true}}}}}`, `ephemeral`},
		{`{"name":"d","tables":{"T":{"indexes":[["c","c"]],"columns":{"c":{"type":"string"}}}}}`, `twice`},
		{column(`"text"`), `no atomic type`},
		{column(`{}`), `"key" is missing`},
		{column(`{"key":"string","min":2}`), `min is 2`},
		{column(`{"key":"string","max":0}`), `max is 0`},
		{column(`{"key":"string","max":"many"}`), `"unlimited"`},
		{column(`{"key":{"type":"integer","minInteger":2,"maxInteger":1}}`), `greater than`},
		{column(`{"key":{"type":"integer","minLength":2}}`), `minLength is for the type "string"`},
		{column(`{"key":{"type":"string","enum":["set",[]]}}`), `no elements`},
		{column(`{"key":{"type":"string","enum":["set",[1]]}}`), `is no string`},
		{column(`{"key":{"type":"string","minLength":1,"enum":"a"}}`), `exclude each other`},
		{column(`{"key":{"type":"uuid","refTable":"X"}}`), `"X", which is not there`},
		{column(`{"key":{"type":"uuid","refTable":"T","refType":"odd"}}`), `"strong" or "weak"`},
		{column(`{"key":{"type":"uuid","refType":"weak"}}`), `without refTable`},
		{column(`{"key":{"type":"string"},"min":"a"}`), `which is not what belongs there`},
	} {
		_, err := ParseSchema([]byte(c.schema))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s\n got %v\nwant …%s…", c.schema, err, c.want)
		}
	}
}

func TestWithoutIsRootAllTablesAreRoots(t *testing.T) {
	s, err := ParseSchema([]byte(`{"name":"d","version":"1.0.0","tables":{"T":{"columns":{"c":{"type":"string"}}}}}`))
	if err != nil {
		t.Fatal(err)
	}
	if !s.Tables["T"].IsRoot {
		t.Error("T is no root")
	}
}

func FuzzParseSchema(f *testing.F) {
	f.Add(readSchemaFile(f, ovsdbd.VTEPSchema))
	f.Add([]byte(`{"name":"d","tables":{"T":{"columns":{"c":{"type":{"key":{"type":"string","enum":["set",["a"]]},"min":0,"max":"unlimited"}}}}}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := ParseSchema(data)
		if err != nil {
			return
		}
		text, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		again, err := ParseSchema(text)
		if err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		if diff := cmp.Diff(s, again, cmp.AllowUnexported(Set{})); diff != "" {
			t.Fatal(diff)
		}
	})
}
