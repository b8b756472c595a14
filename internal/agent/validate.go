package agent

import (
	"context"
	"fmt"
	"time"

	"l2gw/internal/fabric"
	"l2gw/internal/vtep"
	"l2gw/ovsdb"
)

// readTimeout is how long a switch may take to show all its rows.
const readTimeout = 25 * time.Second

// do carries out a command of the operator.
func (d *database) do(ctx context.Context, m fabric.Do) fabric.Done {
	done := fabric.Done{ID: m.ID, At: d.now()}
	switch m.Command {
	case fabric.CommandValidate:
	case fabric.CommandResync:
		d.dirty.all = true
		return done
	case fabric.CommandRelease:
		if !d.holds.release(m.NetworkID) {
			done.Error = "no removal is held there"
		}
		d.dirty.all = true
		d.rememberNow(ctx)
		return done
	case fabric.CommandRun, fabric.CommandObserve, fabric.CommandPause:
		d.setMode(m.Command, m.At)
		d.rememberNow(ctx)
		return done
	default:
		done.Error = fmt.Sprintf("the agent does not know the command %q", m.Command)
		return done
	}
	switch st := d.client.State(); {
	case st.Phase != ovsdb.Synced && st.Err != nil:
		done.Error = "the switch is not connected: " + st.Err.Error()
		return done
	case st.Phase != ovsdb.Synced:
		done.Error = "the switch is not connected"
		return done
	case !d.replica.Complete:
		done.Error = "the controller has not told the agent yet what the switch must hold"
		return done
	}
	snap, err := d.read(ctx)
	if err != nil {
		done.Error = "cannot read the switch: " + err.Error()
		return done
	}
	intent := d.intent()
	intent.Terse = false
	done.Differences = vtep.MakePlan(snap, d.capabilities(snap), intent, vtep.Scope{All: true}, nil).Differences
	return done
}

// read asks the switch for all its rows, past the cache: what is to be
// validated includes the cache.
func (d *database) read(ctx context.Context) (*ovsdb.Snapshot, error) {
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	cached := d.client.Snapshot()
	var (
		layouts []*ovsdb.Layout
		ops     []ovsdb.Op
	)
	for table := range vtep.Tables() {
		layout := cached.Table(table).Layout()
		if layout == nil {
			continue // the switch's schema lacks it
		}
		columns := []string{"_uuid"}
		for _, c := range layout.Columns {
			columns = append(columns, c.Name)
		}
		layouts = append(layouts, layout)
		ops = append(ops, ovsdb.Select(table, nil, columns...))
	}
	// One transaction, so that all tables are of the same moment.
	results, err := d.client.Transact(ctx, ops...)
	if err != nil {
		return nil, err
	}
	edit := ovsdb.NewSnapshot(cached.Schema, layouts...).Edit()
	for i, layout := range layouts {
		for _, row := range results[i].Rows {
			uuid, ok := row["_uuid"].(ovsdb.UUID)
			if !ok {
				return nil, fmt.Errorf("a row of %s has no _uuid", layout.Table.Name)
			}
			values := make([]ovsdb.Value, len(layout.Columns))
			for j, c := range layout.Columns {
				values[j] = row[c.Name]
			}
			edit.Put(ovsdb.NewRow(layout, uuid, values))
		}
	}
	return edit.Commit(), nil
}
