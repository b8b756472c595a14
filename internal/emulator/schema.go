package emulator

import (
	_ "embed"
	"slices"

	"l2gw/ovsdb"
)

//go:embed hardware_vtep.ovsschema
var schemaText []byte

// Schema is the hardware_vtep schema, version 1.7.0 (vtep(5) of Open vSwitch 3.1).
func Schema() *ovsdb.Schema {
	s, err := ovsdb.ParseSchema(schemaText)
	if err != nil {
		panic(err) // the text is part of the program
	}
	return s
}

// OldSchema is what a switch of years ago has, version 1.3.0: without ACLs,
// replication modes, tunnel keys of locators and other_config.
func OldSchema() *ovsdb.Schema {
	s := Schema()
	s.Version = "1.3.0"
	for _, table := range []string{"ACL", "ACL_entry"} {
		delete(s.Tables, table)
	}
	newer := map[string][]string{
		"Logical_Router":   {"acl_binding", "LR_fault_status"},
		"Logical_Switch":   {"replication_mode"},
		"Physical_Locator": {"tunnel_key"},
		"Physical_Port":    {"acl_bindings"},
	}
	for name, t := range s.Tables {
		delete(t.Columns, "other_config")
		for _, column := range newer[name] {
			delete(t.Columns, column)
		}
		for i, index := range t.Indexes {
			t.Indexes[i] = slices.DeleteFunc(slices.Clone(index), func(c string) bool { return t.Columns[c] == nil })
		}
	}
	return s
}
