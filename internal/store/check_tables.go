package store

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"regexp"
	"slices"
	"strings"

	"github.com/pressly/goose/v3"
)

var (
	madeTable    = regexp.MustCompile(`CREATE TABLE (\w+)`)
	madeIndex    = regexp.MustCompile(`CREATE (UNIQUE )?INDEX (\w+) ON (\w+)`)
	droppedIndex = regexp.MustCompile(`DROP INDEX (\w+)`)
)

// index is one that the migrations make.
type index struct {
	table  string
	unique bool
}

// made is what all migrations come to.
func made() (tables []string, indexes map[string]index, err error) {
	indexes = map[string]index{}
	files, err := migrationFiles(math.MaxInt64)
	if err != nil {
		return nil, nil, err
	}
	for _, file := range files {
		text, err := migrations.ReadFile(file.name)
		if err != nil {
			return nil, nil, err
		}
		sql := comments.ReplaceAllString(string(text), "")
		for _, m := range madeTable.FindAllStringSubmatch(sql, -1) {
			tables = append(tables, m[1])
		}
		for _, m := range madeIndex.FindAllStringSubmatch(sql, -1) {
			indexes[m[2]] = index{m[3], m[1] != ""}
		}
		for _, m := range droppedIndex.FindAllStringSubmatch(sql, -1) {
			delete(indexes, m[1])
		}
	}
	return tables, indexes, nil
}

// texts asks for a column of text.
func (c *checker) texts(ctx context.Context, query string) (list []string, err error) {
	rows, err := c.reads.DB.QueryContext(ctx, query)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var text string
		if err := rows.Scan(&text); err != nil {
			return nil, err
		}
		list = append(list, text)
	}
	return list, rows.Err()
}

// columns looks whether texts compare byte by byte, as names of switches do, and
// whether tables take part in transactions.
func (c *checker) columns(ctx context.Context) error {
	tables, _, err := made()
	if err != nil {
		return err
	}
	in := "IN ('" + strings.Join(tables, "', '") + "')"
	var query, right string
	switch c.dialect {
	case goose.DialectPostgres:
		right = `"C"`
		query = "SELECT table_name || '.' || column_name FROM information_schema.columns WHERE table_schema = current_schema() " +
			"AND data_type IN ('character varying', 'text') AND COALESCE(collation_name, '') <> 'C' AND table_name " + in
	case goose.DialectMySQL:
		_, right, _ = strings.Cut(c.text, "COLLATE ")
		query = "SELECT CONCAT(table_name, '.', column_name) FROM information_schema.columns WHERE table_schema = DATABASE() " +
			"AND collation_name IS NOT NULL AND collation_name <> '" + right + "' AND table_name " + in
	default:
		return nil
	}
	others, err := c.texts(ctx, query)
	if err != nil {
		return err
	}
	if len(others) == 0 {
		c.add("collation", Fine, "%s", right)
	} else {
		c.add("collation", Wrong, "%s: not %s, so that names are equal that must not be; change these columns", some(others), right)
	}
	if c.dialect != goose.DialectMySQL {
		return nil
	}
	others, err = c.texts(ctx, "SELECT CONCAT(table_name, ' (', engine, ')') FROM information_schema.tables WHERE table_schema = DATABASE() "+
		"AND engine <> 'InnoDB' AND table_name "+in)
	if err != nil {
		return err
	}
	c.need("storage engine", len(others) == 0, "InnoDB", some(others)+" must be InnoDB: others have no transactions")
	return nil
}

// indexes looks for those that somebody has dropped.
func (c *checker) indexes(ctx context.Context) error {
	_, indexes, err := made()
	if err != nil {
		return err
	}
	there, err := c.texts(ctx, map[goose.Dialect]string{
		goose.DialectSQLite3:  "SELECT name FROM sqlite_master WHERE type = 'index'",
		goose.DialectPostgres: "SELECT indexname FROM pg_indexes WHERE schemaname = current_schema()",
		goose.DialectMySQL:    "SELECT DISTINCT index_name FROM information_schema.statistics WHERE table_schema = DATABASE()",
	}[c.dialect])
	if err != nil {
		return err
	}
	missing := map[bool][]string{}
	for _, name := range slices.Sorted(maps.Keys(indexes)) {
		if i := indexes[name]; !slices.Contains(there, name) {
			missing[i.unique] = append(missing[i.unique], name+" on "+i.table)
		}
	}
	switch {
	case len(missing[true]) > 0:
		c.add("indexes", Wrong, "missing: %s; without these, two rows may be where one must be", some(slices.Concat(missing[true], missing[false])))
	case len(missing[false]) > 0:
		c.add("indexes", Doubtful, "missing: %s; lists are slow without", some(missing[false]))
	default:
		c.add("indexes", Fine, "all %d are there", len(indexes))
	}
	return nil
}

// some is a list that stays readable.
func some(list []string) string {
	const most = 5
	if len(list) > most {
		return fmt.Sprintf("%s and %d more", strings.Join(list[:most], ", "), len(list)-most)
	}
	return strings.Join(list, ", ")
}

// invariants are what no row may contradict: each query counts those that do.
var invariants = []struct{ broken, query string }{
	{"bindings without their connection", "bindings b LEFT JOIN connections c ON c.id = b.connection_id WHERE c.id IS NULL"},
	{
		"bindings of another gateway or network than their connection's",
		"bindings b JOIN connections c ON c.id = b.connection_id WHERE c.gateway_id <> b.gateway_id OR c.network_id <> b.network_id",
	},
	{"connections without their gateway", "connections c LEFT JOIN gateways g ON g.id = c.gateway_id WHERE g.id IS NULL"},
	{"connections without any binding", "connections c LEFT JOIN bindings b ON b.connection_id = c.id WHERE b.connection_id IS NULL"},
	{"devices without their gateway", "gateway_devices d LEFT JOIN gateways g ON g.id = d.gateway_id WHERE g.id IS NULL"},
	{
		"interfaces without their device",
		"gateway_interfaces i LEFT JOIN gateway_devices d ON d.id = i.device_id AND d.gateway_id = i.gateway_id WHERE d.id IS NULL",
	},
	{"gateways without any device", "gateways g LEFT JOIN gateway_devices d ON d.gateway_id = g.id WHERE d.id IS NULL"},
	{"devices without any interface", "gateway_devices d LEFT JOIN gateway_interfaces i ON i.device_id = d.id AND i.gateway_id = d.gateway_id WHERE i.device_id IS NULL"},
	{
		"places that are bound twice",
		"(SELECT 1 AS one FROM bindings GROUP BY device, interface, vlan HAVING COUNT(*) > 1) AS twice",
	},
	{
		"networks that are connected to a gateway twice",
		"(SELECT 1 AS one FROM connections GROUP BY gateway_id, network_id HAVING COUNT(*) > 1) AS twice",
	},
	{"changes of the future", "binding_changes c JOIN intent i ON i.id = 1 WHERE c.revision > i.revision"},
}

// rules looks whether the rows agree with one another.
func (c *checker) rules(ctx context.Context) error {
	broken := 0
	for _, rule := range invariants {
		var n int
		if err := c.one(ctx, "SELECT COUNT(*) FROM "+rule.query, &n); err != nil {
			return err
		}
		if n > 0 {
			broken++
			c.add("contents", Wrong, "%d %s; somebody else has written here: restore a backup, or delete and create anew what is concerned", n, rule.broken)
		}
	}
	if c.dialect == goose.DialectSQLite3 {
		faults, err := c.texts(ctx, "PRAGMA integrity_check(5)")
		if err != nil {
			return err
		}
		if len(faults) != 1 || faults[0] != "ok" {
			broken++
			c.add("file", Wrong, "it is damaged: %s; restore a backup", some(faults))
		}
	}
	if broken > 0 {
		return nil
	}
	var gateways, connections, bindings int
	if err := c.one(ctx, "SELECT (SELECT COUNT(*) FROM gateways), (SELECT COUNT(*) FROM connections), (SELECT COUNT(*) FROM bindings)",
		&gateways, &connections, &bindings); err != nil {
		return err
	}
	c.add("contents", Fine, "%d gateways, %d connections and %d bindings agree with one another", gateways, connections, bindings)
	return nil
}
