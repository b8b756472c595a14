package ovsdb

import (
	"context"
	"encoding/json"
	"net"
	"sync"
)

// upTo makes a server look as old as one whose best monitor method is the
// given one: requests of later ones are answered with "unknown method".
func upTo(method string, c Connector) Connector {
	unknown := map[string]bool{}
	for _, m := range []string{"monitor_cond_since", "monitor_cond"} {
		if m == method {
			break
		}
		unknown[m] = true
	}
	return lacking(unknown, c)
}

// lacking makes a server look as if it did not know some methods.
func lacking(unknown map[string]bool, c Connector) Connector {
	return connectorFunc(func(ctx context.Context) (net.Conn, error) {
		server, err := c.Connect(ctx)
		if err != nil {
			return nil, err
		}
		ours, theirs := net.Pipe()
		var mu sync.Mutex
		write := func(b []byte) error {
			mu.Lock()
			defer mu.Unlock()
			_, err := theirs.Write(b)
			return err
		}
		go func() {
			defer server.Close()
			d := json.NewDecoder(theirs)
			for {
				var raw json.RawMessage
				if d.Decode(&raw) != nil {
					return
				}
				var m struct {
					Method string
					ID     json.RawMessage
				}
				_ = json.Unmarshal(raw, &m)
				if unknown[m.Method] {
					if write([]byte(`{"id":`+string(m.ID)+`,"error":"unknown method"}`)) != nil {
						return
					}
					continue
				}
				if _, err := server.Write(raw); err != nil {
					return
				}
			}
		}()
		go func() {
			defer theirs.Close()
			b := make([]byte, 64<<10)
			for {
				n, err := server.Read(b)
				if write(b[:n]) != nil || err != nil {
					return
				}
			}
		}()
		return ours, nil
	})
}

type connectorFunc func(context.Context) (net.Conn, error)

func (f connectorFunc) Connect(ctx context.Context) (net.Conn, error) { return f(ctx) }
