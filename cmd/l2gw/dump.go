package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"l2gw/internal/cli"
	"l2gw/internal/vtep"
	"l2gw/ovsdb"
)

// dump shows the tables of a switch's database, whoever wrote them.
type dump struct {
	tls     ovsdb.TLSFiles
	timeout time.Duration
}

// dumpColumns are the tables that matter for bridging, in the order in which a
// reader wants them, and their columns.
var dumpColumns = []struct {
	table   string
	columns []string
}{
	{"Physical_Switch", []string{"name", "tunnel_ips", "ports", "switch_fault_status"}},
	{"Physical_Port", []string{"name", "vlan_bindings", "port_fault_status"}},
	{"Logical_Switch", []string{"name", "description", "tunnel_key", "replication_mode"}},
	{"Mcast_Macs_Remote", []string{"MAC", "logical_switch", "locator_set"}},
	{"Ucast_Macs_Remote", []string{"MAC", "logical_switch", "locator", "ipaddr"}},
	{"Ucast_Macs_Local", []string{"MAC", "logical_switch", "locator", "ipaddr"}},
}

func newDump() *cobra.Command {
	d := &dump{}
	cmd := &cobra.Command{
		Use:   "dump ENDPOINT [TABLE...]",
		Short: "Show the tables of a switch's hardware_vtep database, with names in place of references",
		Example: "  l2gw dump tcp:192.0.2.1:6640\n" +
			"  l2gw dump ssl:192.0.2.1:6640 Ucast_Macs_Remote --private-key k.pem --certificate c.pem --ca-cert ca.pem",
		Args: cli.Arguments(1, -1),
		RunE: func(cmd *cobra.Command, args []string) error {
			cmd.SilenceUsage = true
			return d.run(cmd.Context(), cmd.OutOrStdout(), args[0], args[1:])
		},
	}
	addTLSFlags(cmd.Flags(), &d.tls)
	cmd.Flags().DurationVar(&d.timeout, "timeout", 30*time.Second, "how long to wait for the switch")
	return cmd
}

func (d *dump) run(ctx context.Context, out io.Writer, endpoint string, tables []string) error {
	for _, t := range tables {
		if !slices.Contains(dumpTables(), t) {
			return fmt.Errorf("there is no table %q to show; there are %s", t, strings.Join(dumpTables(), ", "))
		}
	}
	snap, err := d.read(ctx, endpoint)
	if err != nil {
		return err
	}
	for _, t := range dumpColumns {
		rows := snap.Table(t.table)
		if rows == nil || len(tables) > 0 && !slices.Contains(tables, t.table) || len(tables) == 0 && rows.Len() == 0 {
			continue
		}
		writeTable(out, snap, t.table, t.columns)
	}
	return nil
}

func dumpTables() []string {
	var names []string
	for _, t := range dumpColumns {
		names = append(names, t.table)
	}
	return names
}

// read takes one look at the database.
func (d *dump) read(ctx context.Context, endpoint string) (*ovsdb.Snapshot, error) {
	ctx, cancel := context.WithTimeout(ctx, d.timeout)
	defer cancel()
	dial, err := dialer(endpoint, d.tls, nil)
	if err != nil {
		return nil, err
	}
	client, err := ovsdb.NewClient(ovsdb.ClientOptions{Database: vtep.Database, Connect: dial, Tables: vtep.Tables()})
	if err != nil {
		return nil, err
	}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return client.Run(ctx) })
	defer func() {
		cancel()
		_ = g.Wait()
	}()
	sub := client.Subscribe()
	defer sub.Close()
	for {
		ch, err := sub.Next(ctx)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", endpoint, cmp.Or(client.State().Err, err))
		}
		if ch.State.Phase == ovsdb.Synced {
			return ch.New, nil
		}
		if ch.State.Err != nil {
			return nil, fmt.Errorf("%s: %w", endpoint, ch.State.Err)
		}
	}
}

func writeTable(out io.Writer, snap *ovsdb.Snapshot, name string, columns []string) {
	rows := snap.Table(name)
	columns = slices.DeleteFunc(slices.Clone(columns), func(c string) bool { return !rows.Layout().Has(c) })
	var lines []table.Row
	for r := range rows.All() {
		line := table.Row{}
		for _, c := range columns {
			line = append(line, show(snap, r.Get(c)))
		}
		lines = append(lines, line)
	}
	slices.SortFunc(lines, func(a, b table.Row) int { return strings.Compare(fmt.Sprint(a...), fmt.Sprint(b...)) })
	w := table.NewWriter()
	header := table.Row{}
	for _, c := range columns {
		header = append(header, c)
	}
	w.AppendHeader(header)
	w.AppendRows(lines)
	w.SetStyle(table.StyleDefault)
	w.Style().Format.Header = 0
	switch len(lines) {
	case 0:
		fmt.Fprintf(out, "%s: no rows\n", name)
	case 1:
		fmt.Fprintf(out, "%s: 1 row\n%s\n", name, w.Render())
	default:
		fmt.Fprintf(out, "%s: %d rows\n%s\n", name, len(lines), w.Render())
	}
}

// show writes a value for people: a reference as the name of what it refers to.
func show(snap *ovsdb.Snapshot, v ovsdb.Value) string {
	var parts []string
	switch v := v.(type) {
	case ovsdb.UUID:
		return nameOf(snap, v)
	case ovsdb.Set:
		for a := range v.All() {
			parts = append(parts, show(snap, a))
		}
	case ovsdb.Map:
		for k, x := range v.All() {
			parts = append(parts, show(snap, k)+"="+show(snap, x))
		}
	default:
		return fmt.Sprint(v)
	}
	slices.Sort(parts)
	return strings.Join(parts, " ")
}

// nameOf is what people call the row that a reference leads to.
func nameOf(snap *ovsdb.Snapshot, u ovsdb.UUID) string {
	for _, t := range slices.Sorted(maps.Keys(vtep.Tables())) {
		r := snap.Table(t).Get(u)
		if r == nil {
			continue
		}
		if r.Layout().Has("locators") {
			return show(snap, r.Set("locators"))
		}
		if name := cmp.Or(r.Str("name"), r.Str("dst_ip")); name != "" {
			return name
		}
	}
	return u.String()
}
