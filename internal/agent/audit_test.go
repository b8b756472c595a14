package agent

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"l2gw"
	"l2gw/internal/vtep"
	"l2gw/ovsdb"
)

var auditTime = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func auditUUID(i int) ovsdb.UUID { return ovsdb.UUID{15: byte(i)} }

func TestARecordSaysWhichRowsWereWrittenBecauseOfWhichRequests(t *testing.T) {
	key := l2gw.BindingKey{Device: "ps1", Interface: "eth1", VLAN: 100}
	mac := l2gw.MAC{0xfa, 0x16, 0x3e, 0, 0, 1}
	host := vtep.Subject{Network: "net-a", MAC: mac}
	tr := transaction{
		at: auditTime, agent: "gw1", database: "db1", grant: l2gw.Version{Epoch: 3, Counter: 17},
		txn: vtep.Txn{
			Ops: []ovsdb.Op{
				ovsdb.Assert("l2gw"),
				ovsdb.Insert("Logical_Switch", "ls1", ovsdb.Cell{Column: "name", Value: "net-a"}),
				ovsdb.Insert("Physical_Locator", "vtep1", ovsdb.Cell{Column: "dst_ip", Value: "10.0.1.1"}),
				ovsdb.Insert("Physical_Locator_Set", "flood1", ovsdb.Cell{Column: "locators", Value: ovsdb.NewSet(ovsdb.NamedUUID("vtep1"))}),
				ovsdb.Insert("Mcast_Macs_Remote", "", ovsdb.Cell{Column: "MAC", Value: "unknown-dst"}),
				ovsdb.Mutate("Physical_Port", ovsdb.ByUUID(auditUUID(9)), ovsdb.Mutation{Column: "vlan_bindings", Mutator: "insert"}),
				ovsdb.Insert("Ucast_Macs_Remote", "", ovsdb.Cell{Column: "MAC", Value: mac.String()}, ovsdb.Cell{Column: "locator", Value: ovsdb.NamedUUID("vtep1")}),
				ovsdb.Delete("Ucast_Macs_Remote", ovsdb.ByUUID(auditUUID(7))),
			},
			Subjects: []vtep.Subject{{}, {Network: "net-a"}, {Network: "net-a"}, {Network: "net-a"}, {Network: "net-a"}, {Network: "net-a", Binding: key}, host, {Network: "net-b"}},
		},
		results: []ovsdb.OpResult{{}, {UUID: auditUUID(1)}, {UUID: auditUUID(2)}, {UUID: auditUUID(3)}, {UUID: auditUUID(4)}, {Count: 1}, {UUID: auditUUID(6)}, {Count: 1}},
		requestOf: func(s vtep.Subject) string {
			if s.Binding == key {
				return "req-1"
			}
			return ""
		},
	}
	got, err := json.MarshalIndent(tr.record(), "", " ")
	if err != nil {
		t.Fatal(err)
	}
	expectEqual(t, "record", `{
 "time": "2026-03-01T12:00:00Z",
 "agent": "gw1",
 "database": "db1",
 "epoch": 3,
 "counter": 17,
 "request_ids": [
  "req-1"
 ],
 "network_ids": [
  "net-a",
  "net-b"
 ],
 "result": "done",
 "operations": [
  {"op":"insert","table":"Logical_Switch","_uuid":"00000000-0000-0000-0000-000000000001","what":"net-a","network_id":"net-a"},
  {"op":"insert","table":"Physical_Locator","_uuid":"00000000-0000-0000-0000-000000000002","what":"10.0.1.1","network_id":"net-a"},
  {"op":"insert","table":"Physical_Locator_Set","_uuid":"00000000-0000-0000-0000-000000000003","what":"1 VTEPs","network_id":"net-a"},
  {"op":"insert","table":"Mcast_Macs_Remote","_uuid":"00000000-0000-0000-0000-000000000004","what":"flood set","network_id":"net-a"},
  {"op":"mutate","table":"Physical_Port","_uuid":"00000000-0000-0000-0000-000000000009","what":"ps1/eth1/100","network_id":"net-a","columns":["vlan_bindings insert"]},
  {"op":"insert","table":"Ucast_Macs_Remote","_uuid":"00000000-0000-0000-0000-000000000006","what":"fa:16:3e:00:00:01","network_id":"net-a","at":"10.0.1.1"},
  {"op":"delete","table":"Ucast_Macs_Remote","_uuid":"00000000-0000-0000-0000-000000000007","network_id":"net-b"}
 ]
}`, compactOperations(t, got))

	tr.results, tr.err = nil, errors.New("the connection was lost")
	r := tr.record()
	if r.Result != ResultFailed || r.Error != "the connection was lost" || r.Operations[0].UUID != "" {
		t.Errorf("a failed one: %+v", r)
	}
}

// compactOperations puts each operation of an indented record on a line of its own.
func compactOperations(t *testing.T, record []byte) string {
	t.Helper()
	var r struct {
		Operations []json.RawMessage `json:"operations"`
	}
	if err := json.Unmarshal(record, &r); err != nil {
		t.Fatal(err)
	}
	head, _, _ := strings.Cut(string(record), ` "operations": [`)
	var lines []string
	for _, op := range r.Operations {
		var b bytes.Buffer
		if err := json.Compact(&b, op); err != nil {
			t.Fatal(err)
		}
		lines = append(lines, "  "+b.String())
	}
	return head + " \"operations\": [\n" + strings.Join(lines, ",\n") + "\n ]\n}"
}

func TestARecordIsBounded(t *testing.T) {
	tr := transaction{at: auditTime, requestOf: func(s vtep.Subject) string { return "req of " + s.Network }}
	for i := range 1000 {
		tr.txn.Ops = append(tr.txn.Ops, ovsdb.Delete("Ucast_Macs_Remote", ovsdb.ByUUID(auditUUID(i))))
		tr.txn.Subjects = append(tr.txn.Subjects, vtep.Subject{Network: fmt.Sprint("net-", i), MAC: l2gw.MAC{5: byte(i)}})
	}
	r := tr.record()
	expectEqual(t, "operations", []int{auditOperations, 1000 - auditOperations}, []int{len(r.Operations), r.MoreOperations})
	expectEqual(t, "networks", []int{auditNames, 1000 - auditNames}, []int{len(r.Networks), r.MoreNetworks})
	expectEqual(t, "requests", []int{auditNames, 1000 - auditNames}, []int{len(r.Requests), r.MoreRequests})
	if data, err := json.Marshal(r); err != nil || len(data) > 64<<10 {
		t.Errorf("%d bytes, %v", len(data), err)
	}
}

// gate is a writer that hangs until it is opened, or fails.
type gate struct {
	mu   sync.Mutex
	fail bool
	out  bytes.Buffer
	open chan struct{}
}

func (g *gate) Write(p []byte) (int, error) {
	<-g.open
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.fail {
		return 0, io.ErrShortWrite
	}
	return g.out.Write(p)
}

func auditLines(t *testing.T, r io.Reader) (records, dropped int) {
	t.Helper()
	sc := bufio.NewScanner(r)
	sc.Buffer(nil, 1<<20)
	for sc.Scan() {
		var rec auditRecord
		if err := json.Unmarshal(sc.Bytes(), &rec); err != nil {
			t.Fatalf("%v: %q", err, sc.Text())
		}
		if rec.Dropped > 0 {
			dropped += int(rec.Dropped)
		} else {
			records++
		}
	}
	return records, dropped
}

func TestAWriterThatHangsDoesNotHoldUpTheAgentAndWhatIsMissingIsNoted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &gate{open: make(chan struct{})}
		a := newAuditor(g, time.Now, nil)
		for range auditQueue * 2 {
			a.write(auditRecord{Result: ResultDone}) // in this bubble, a wait would be a deadlock
		}
		synctest.Wait()
		close(g.open)
		synctest.Wait()
		a.write(auditRecord{Result: ResultDone})
		if !a.close() {
			t.Error("not all was written")
		}
		records, dropped := auditLines(t, &g.out)
		if records+dropped != auditQueue*2+1 || dropped < auditQueue/2 {
			t.Errorf("%d records and %d dropped", records, dropped)
		}
	})
}

func TestWhatCannotBeWrittenIsCountedAndToldOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &gate{open: make(chan struct{}), fail: true}
		close(g.open)
		var told []error
		a := newAuditor(g, time.Now, func(err error) { told = append(told, err) })
		for range 5 {
			a.write(auditRecord{})
		}
		synctest.Wait()
		g.mu.Lock()
		g.fail = false
		g.mu.Unlock()
		a.write(auditRecord{})
		a.close()
		records, dropped := auditLines(t, &g.out)
		expectEqual(t, "records and dropped", []int{1, 5}, []int{records, dropped})
		if len(told) != 2 || told[0] == nil || told[1] != nil {
			t.Errorf("told %v", told)
		}
	})
}

func TestClosingAnAuditDoesNotWaitForAWriterThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &gate{open: make(chan struct{})}
		a := newAuditor(g, time.Now, nil)
		a.write(auditRecord{})
		began := time.Now()
		if a.close() {
			t.Error("a hanging writer has written all")
		}
		expectEqual(t, "closing took", auditFlush, time.Since(began))
		close(g.open)
	})
}

func TestAnAuditFileIsPutAsideBySizeWithoutTearingLines(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.log")
	f, err := OpenAuditFile(path)
	if err != nil {
		t.Fatal(err)
	}
	f.limit = 1000
	for i := range 100 {
		if _, err := fmt.Fprintf(f, "%03d %s\n", i, strings.Repeat("x", 90)); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	next := 100
	for _, p := range []string{path, path + ".1", path + ".2"} {
		data, err := os.ReadFile(p)
		if err != nil {
			t.Fatal(err)
		}
		lines := strings.Split(strings.TrimSuffix(string(data), "\n"), "\n")
		for i := len(lines) - 1; i >= 0; i-- {
			next--
			if want := fmt.Sprintf("%03d %s", next, strings.Repeat("x", 90)); lines[i] != want {
				t.Fatalf("%s: %q, want %q", p, lines[i], want)
			}
		}
		if len(data) > 1000 || len(data) < 900 {
			t.Errorf("%s has %d bytes", p, len(data))
		}
		if info, err := os.Stat(p); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", p, info, err)
		}
	}
	if _, err := os.Stat(path + ".3"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("there is a fourth file: %v", err)
	}
}

func TestAnAuditFileIsOpenedAnewAfterItWasMovedAway(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "audit.log")
	if err := os.WriteFile(path, []byte("old\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := OpenAuditFile(path)
	if err != nil {
		t.Fatal(err)
	}
	write := func(line string) {
		t.Helper()
		if _, err := io.WriteString(f, line+"\n"); err != nil {
			t.Fatal(err)
		}
	}
	write("a")
	if err := os.Rename(path, path+"-moved"); err != nil {
		t.Fatal(err)
	}
	write("b")
	if err := f.Reopen(); err != nil {
		t.Fatal(err)
	}
	write("c")
	for p, want := range map[string]string{path + "-moved": "old\na\nb\n", path: "c\n"} {
		if data, err := os.ReadFile(p); err != nil || string(data) != want {
			t.Errorf("%s: %q, %v; want %q", p, data, err, want)
		}
	}

	// What cannot be opened anew stays open.
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	if err := f.Reopen(); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("got %v", err)
	}
	write("d")
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Write([]byte("e\n")); !errors.Is(err, os.ErrClosed) {
		t.Errorf("got %v", err)
	}
}
