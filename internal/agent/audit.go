package agent

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"sync/atomic"
	"time"

	"l2gw"
	"l2gw/internal/vtep"
	"l2gw/ovsdb"
)

const (
	// auditOperations and auditNames bound one record: the rest is counted.
	auditOperations = 200
	auditNames      = 100
	// auditQueue is how many records wait for a slow disk before further ones are dropped.
	auditQueue = 256
	// auditFlush is how long closing an audit waits for what is in the queue.
	auditFlush = 5 * time.Second
)

// auditRecord says which rows one transaction wrote where, because of which
// requests. It is one line of JSON. Operations that only guard (wait, assert) are left out.
type auditRecord struct {
	Time     time.Time `json:"time"` // when its result was known
	Agent    string    `json:"agent,omitempty"`
	Database string    `json:"database,omitempty"`
	Epoch    uint64    `json:"epoch,omitempty"` // of the grant by which it was written
	Counter  uint64    `json:"counter,omitempty"`
	Requests []string  `json:"request_ids,omitempty"`
	Networks []string  `json:"network_ids,omitempty"`
	// Result is done, stale (nothing was written), refused (likewise) or failed: then
	// nobody knows whether it was written.
	Result     Result           `json:"result,omitempty"`
	Error      string           `json:"error,omitempty"`
	Operations []auditOperation `json:"operations,omitempty"`
	// What is left out of the lists above.
	MoreOperations int `json:"more_operations,omitempty"`
	MoreNetworks   int `json:"more_networks,omitempty"`
	MoreRequests   int `json:"more_requests,omitempty"`
	// Dropped is how many records before this one are missing since the file was too slow
	// or could not be written; nothing else is set then but Time.
	Dropped int64 `json:"dropped_records,omitempty"`
}

type auditOperation struct {
	Op    string `json:"op"`
	Table string `json:"table"`
	UUID  string `json:"_uuid,omitempty"`
	// What names the row: a MAC, device/port/VLAN, a logical switch, a VTEP.
	What    string   `json:"what,omitempty"`
	Network string   `json:"network_id,omitempty"`
	At      string   `json:"at,omitempty"`      // unicast rows: the VTEP it now points to
	Columns []string `json:"columns,omitempty"` // update, mutate
}

// transaction is what an audit must know of one.
type transaction struct {
	at        time.Time
	agent     string
	database  string
	grant     l2gw.Version
	snap      *ovsdb.Snapshot // to name VTEPs by; may be nil
	txn       vtep.Txn
	results   []ovsdb.OpResult // nil if it failed
	err       error
	requestOf func(vtep.Subject) string // the request behind a subject, or ""; may be nil
}

// record makes the line on t. It takes time in proportion to its operations, with a bound.
func (t *transaction) record() auditRecord {
	r := auditRecord{
		Time: t.at.UTC(), Agent: t.agent, Database: t.database, Epoch: t.grant.Epoch, Counter: t.grant.Counter, Result: resultOf(t.err),
	}
	if t.err != nil {
		r.Error = t.err.Error()
	}
	networks, requests := map[string]bool{}, map[string]bool{}
	named := map[ovsdb.NamedUUID]string{} // VTEPs of locators that the transaction inserts
	for i, op := range t.txn.Ops {
		switch op.Kind {
		case ovsdb.OpInsert, ovsdb.OpUpdate, ovsdb.OpMutate, ovsdb.OpDelete:
		default:
			continue
		}
		var s vtep.Subject
		if i < len(t.txn.Subjects) {
			s = t.txn.Subjects[i]
		}
		if s.Network != "" {
			networks[s.Network] = true
		}
		if t.requestOf != nil {
			if id := t.requestOf(s); id != "" {
				requests[id] = true
			}
		}
		if op.Table == "Physical_Locator" && op.UUIDName != "" {
			named[ovsdb.NamedUUID(op.UUIDName)] = text(op.Row, "dst_ip")
		}
		if len(r.Operations) >= auditOperations {
			r.MoreOperations++
			continue
		}
		r.Operations = append(r.Operations, t.operation(i, s, named))
	}
	r.Networks, r.MoreNetworks = bounded(networks)
	r.Requests, r.MoreRequests = bounded(requests)
	return r
}

func bounded(names map[string]bool) ([]string, int) {
	list := slices.Sorted(maps.Keys(names))
	if len(list) > auditNames {
		return list[:auditNames], len(list) - auditNames
	}
	return list, 0
}

func (t *transaction) operation(i int, s vtep.Subject, named map[ovsdb.NamedUUID]string) auditOperation {
	op := t.txn.Ops[i]
	a := auditOperation{Op: string(op.Kind), Table: op.Table, Network: s.Network, What: what(op, s)}
	switch {
	case op.Kind == ovsdb.OpInsert && i < len(t.results):
		a.UUID = t.results[i].UUID.String()
	case op.Kind != ovsdb.OpInsert && len(op.Where) > 0:
		if u, ok := op.Where[0].Value.(ovsdb.UUID); ok {
			a.UUID = u.String()
		}
	}
	if op.Kind == ovsdb.OpUpdate {
		for _, c := range op.Row {
			a.Columns = append(a.Columns, c.Column)
		}
	}
	for _, m := range op.Mutations {
		a.Columns = append(a.Columns, m.Column+" "+m.Mutator)
	}
	for _, c := range op.Row {
		if c.Column != "locator" {
			continue
		}
		switch v := c.Value.(type) {
		case ovsdb.NamedUUID:
			a.At = named[v]
		case ovsdb.UUID:
			if t.snap != nil {
				if row := t.snap.Table("Physical_Locator").Get(v); row != nil {
					a.At = row.Str("dst_ip")
				}
			}
		}
	}
	return a
}

// what names the row of an operation in the words of the field.
func what(op ovsdb.Op, s vtep.Subject) string {
	switch {
	case s.Binding != (l2gw.BindingKey{}):
		return fmt.Sprintf("%s/%s/%d", s.Binding.Device, s.Binding.Interface, s.Binding.VLAN)
	case op.Table == "Physical_Locator":
		return text(op.Row, "dst_ip")
	case op.Table == "Physical_Locator_Set":
		for _, c := range op.Row {
			if set, ok := c.Value.(ovsdb.Set); ok {
				return fmt.Sprintf("%d VTEPs", set.Len())
			}
		}
		return ""
	case op.Table == "Mcast_Macs_Remote":
		return "flood set"
	case op.Table == "Logical_Switch":
		return s.Network
	case s.MAC != (l2gw.MAC{}):
		return s.MAC.String()
	}
	return text(op.Row, "MAC")
}

func text(row []ovsdb.Cell, column string) string {
	for _, c := range row {
		if c.Column == column {
			s, _ := c.Value.(string)
			return s
		}
	}
	return ""
}

// auditor writes records to a writer that may be slow or may hang. Handing it
// one never waits: what the writer has no time for is dropped, counted, and the
// count is noted in the file when it can be written again. It may be used by several goroutines.
type auditor struct {
	queue   chan auditRecord
	dropped atomic.Int64 // records that are missing in the file and not yet noted there
	ended   chan struct{}
	now     func() time.Time
	tell    func(error) // a write failed, or works again (nil); called by the writing goroutine
}

// newAuditor starts an auditor. tell may be nil.
func newAuditor(w io.Writer, now func() time.Time, tell func(error)) *auditor {
	if tell == nil {
		tell = func(error) {}
	}
	a := &auditor{
		queue: make(chan auditRecord, auditQueue), ended: make(chan struct{}), now: now, tell: tell,
	}
	go a.run(w)
	return a
}

// write hands a record over and does not wait. It must not be called after close.
func (a *auditor) write(r auditRecord) {
	select {
	case a.queue <- r:
	default:
		a.dropped.Add(1)
	}
}

// close writes what is in the queue, as far as that is possible in a few seconds,
// and reports whether it was. A writer that hangs keeps its goroutine.
func (a *auditor) close() bool {
	close(a.queue)
	select {
	case <-a.ended:
		return true
	case <-time.After(auditFlush):
		return false
	}
}

func (a *auditor) run(w io.Writer) {
	defer close(a.ended)
	failed := false
	line := func(r auditRecord) bool {
		data, err := json.Marshal(r)
		if err == nil {
			_, err = w.Write(append(data, '\n'))
		}
		if (err != nil) != failed {
			failed = err != nil
			a.tell(err)
		}
		return err == nil
	}
	for {
		r, more := <-a.queue
		if n := a.dropped.Swap(0); n > 0 && !line(auditRecord{Time: a.now().UTC(), Dropped: n}) {
			a.dropped.Add(n)
		}
		if !more {
			return
		}
		if !line(r) {
			a.dropped.Add(1)
		}
	}
}
