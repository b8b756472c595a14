package ovsdb

import (
	"bytes"
	"fmt"
	"testing"

	"l2gw/test/ovsdbd"
)

// macsAnswer is the answer to monitor_cond_since of a database with n MACs.
func macsAnswer(n int) []byte {
	var ls, loc [200]UUID
	for i := range ls {
		ls[i], loc[i] = NewUUID(), NewUUID()
	}
	b := []byte(`[false,"00000000-0000-0000-0000-000000000000",{"Ucast_Macs_Remote":{`)
	for i := range n {
		if i > 0 {
			b = append(b, ',')
		}
		b = NewUUID().append(append(b, '"'))
		b = append(b, fmt.Sprintf(`":{"initial":{"logical_switch":["uuid","%s"],"MAC":"02:00:00:%02x:%02x:%02x","ipaddr":"10.%d.%d.%d","locator":["uuid","%s"]}}`,
			ls[i%50], i>>16&255, i>>8&255, i&255, i>>16&255, i>>8&255, i&255, loc[i%200])...)
	}
	return append(b, "}}]"...)
}

// BenchmarkDecode100k is the client's own share of BenchmarkInitialSync100k.
func BenchmarkDecode100k(b *testing.B) {
	text := macsAnswer(100_000)
	schema, err := ParseSchema(readSchemaFile(b, ovsdbd.VTEPSchema))
	if err != nil {
		b.Fatal(err)
	}
	layouts := layoutsFor(schema, vtepTables, map[string][]Index{"Ucast_Macs_Remote": {byMAC}})
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		m := &mirror{schema: schema, layouts: layouts, decoder: newUpdateDecoder(layouts)}
		// A plain reader, as the socket is one: the decoder must not see all of it at once.
		if err := m.initial(newDecoder(struct{ *bytes.Reader }{bytes.NewReader(text)}), form3, nil); err != nil {
			b.Fatal(err)
		}
		if n := m.edit.Commit().Table("Ucast_Macs_Remote").Len(); n != 100_000 {
			b.Fatal(n)
		}
	}
}
