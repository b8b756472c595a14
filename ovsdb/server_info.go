package ovsdb

// serverSchemaText is the schema of the database _Server, in which clients see
// what databases there are (ovsdb-server(5)).
const serverSchemaText = `{
	"name": "_Server", "version": "1.2.0", "cksum": "3009684573 744",
	"tables": {"Database": {"columns": {
		"name": {"type": "string"},
		"model": {"type": {"key": {"type": "string", "enum": ["set", ["clustered", "relay", "standalone"]]}}},
		"connected": {"type": "boolean"},
		"leader": {"type": "boolean"},
		"schema": {"type": {"key": "string", "min": 0}},
		"cid": {"type": {"key": "uuid", "min": 0}},
		"sid": {"type": {"key": "uuid", "min": 0}},
		"index": {"type": {"key": "integer", "min": 0}}
	}}}}`

var serverSchema = func() *Schema {
	s, err := ParseSchema([]byte(serverSchemaText))
	if err != nil {
		panic(err)
	}
	return s
}()

// addServerDatabase makes _Server with a row for each database, itself among them.
func (s *Server) addServerDatabase() {
	d := newDatabase(serverSchema, []byte(serverSchemaText))
	d.readOnly = true
	s.dbs[serverSchema.Name] = d
	x := newTxn(d)
	t := d.tables["Database"]
	for _, name := range s.databaseNames() {
		r := &dbRow{table: t, uuid: NewUUID(), version: NewUUID(), values: make([]Value, len(t.columns))}
		for i, c := range t.columns {
			r.values[i] = c.Type.Default()
		}
		r.values[t.at["name"]] = name
		r.values[t.at["model"]] = "standalone"
		r.values[t.at["connected"]] = true
		r.values[t.at["leader"]] = true
		r.values[t.at["schema"]] = NewSet(string(s.dbs[name].text))
		x.put(r)
	}
	x.commit()
}
