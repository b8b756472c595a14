package fabric

import (
	"encoding/json"
	"fmt"
	"net"
	"testing"
	"time"

	"l2gw/internal/fabric"
	"l2gw/test/product"
)

// hand takes the lock of a switch by force, as an operator does. Stolen is closed
// when it is taken back.
func (l *lab) hand(name string) (release func(), stolen <-chan struct{}) {
	l.t.Helper()
	conn, err := net.Dial("unix", l.switches[name].Socket)
	if err != nil {
		l.t.Fatal(err)
	}
	if _, err := fmt.Fprint(conn, `{"id":1,"method":"steal","params":["l2gw"]}`); err != nil {
		l.t.Fatal(err)
	}
	done, taken := make(chan struct{}), make(chan struct{})
	l.t.Cleanup(func() {
		conn.Close()
		<-done
	})
	go func() {
		defer close(done)
		in := json.NewDecoder(conn)
		for {
			var m struct {
				ID     json.RawMessage
				Method string
			}
			if in.Decode(&m) != nil {
				return
			}
			switch m.Method {
			case "stolen":
				close(taken)
				return
			case "echo":
				fmt.Fprintf(conn, `{"id":%s,"result":[],"error":null}`, m.ID)
			}
		}
	}()
	return func() { conn.Close() }, taken
}

// An agent whose grant is fresh takes the lock back, since an agent of the past
// may have taken it. From one that has had it for a while, only an operator's
// hand takes it, and is left it until it lets go.
func TestAnOperatorWhoTakesTheLockIsLeftIt(t *testing.T) {
	l := newLab(t, 30)
	l.Start()
	c := l.connect()
	l.waitRows(30)
	l.steady(30, 2*fabric.Term)
	release, stolen := l.hand("one")
	l.Servers[0].WaitDevice("ps1", "says that another holds the lock", func(d product.Object) error {
		if d["lock"] == "held" {
			return fmt.Errorf("%v: %v", d["lock"], d["status_reason"])
		}
		return nil
	})
	l.switches["one"].Transact("hardware_vtep", `{"op":"delete","table":"Ucast_Macs_Remote","where":[["MAC","==","fa:16:3e:01:00:01"]]}`)
	l.WriteInventory(inventory(31))
	product.Eventually(t, "the other switch has its new row", func() error {
		if n := l.rows("two"); n != 31 {
			return fmt.Errorf("it has %d", n)
		}
		return nil
	})
	for begin := time.Now(); time.Since(begin) < fabric.Term; {
		if n := l.rows("one"); n != 29 {
			t.Fatalf("the switch has %d rows: somebody wrote beside the operator", n)
		}
	}
	select {
	case <-stolen:
		t.Error("the lock was taken back")
	default:
	}
	release()
	l.waitRows(31)
	l.Servers[0].WaitStatus(c, "ACTIVE")
}
