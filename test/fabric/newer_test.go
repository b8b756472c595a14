package fabric

import (
	"encoding/binary"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"

	"l2gw/test/ovsdbd"
	"l2gw/test/product"
)

// newer makes each end of a stream look like one of a later version: after the first
// message, which is what it has always been, a message that nobody knows yet comes
// before each one, and each has fields that nobody knows, also within.
type newer struct {
	io.ReadCloser
	added *atomic.Int64

	first bool
	rest  []byte
	err   error
}

const unknownField = 1000

func (n *newer) Read(b []byte) (int, error) {
	for len(n.rest) == 0 {
		if n.err != nil {
			return 0, n.err
		}
		n.err = n.next()
	}
	k := copy(b, n.rest)
	n.rest = n.rest[k:]
	return k, nil
}

// next reads one enveloped message: flags (2: the end of the stream), size, contents.
func (n *newer) next() error {
	var head [5]byte
	if _, err := io.ReadFull(n.ReadCloser, head[:]); err != nil {
		return err
	}
	body := make([]byte, binary.BigEndian.Uint32(head[1:]))
	if _, err := io.ReadFull(n.ReadCloser, body); err != nil {
		return err
	}
	if head[0] == 0 {
		if n.first {
			n.rest = envelope(nil, protowire.AppendBytes(protowire.AppendTag(nil, unknownField, protowire.BytesType), []byte{1, 2, 3}))
			n.added.Add(1)
		}
		n.first = true
		body = extend(body)
	}
	binary.BigEndian.PutUint32(head[1:], uint32(len(body)))
	n.rest = append(append(n.rest, head[:]...), body...)
	return nil
}

func envelope(b, message []byte) []byte {
	return append(binary.BigEndian.AppendUint32(append(b, 0), uint32(len(message))), message...)
}

// extend adds an unknown field to a message and to the one that it wraps.
func extend(message []byte) (out []byte) {
	for rest := message; len(rest) > 0; {
		_, kind, n := protowire.ConsumeField(rest)
		if n < 0 {
			return message
		}
		field := rest[:n]
		rest = rest[n:]
		if kind != protowire.BytesType {
			out = append(out, field...)
			continue
		}
		tag, _, k := protowire.ConsumeTag(field)
		inner, _ := protowire.ConsumeBytes(field[k:])
		out = protowire.AppendTag(out, tag, protowire.BytesType)
		out = protowire.AppendBytes(out, unknown(append([]byte(nil), inner...)))
	}
	return unknown(out)
}

func unknown(b []byte) []byte {
	return protowire.AppendVarint(protowire.AppendTag(b, unknownField, protowire.VarintType), 7)
}

// newerPeers stands between an agent and a server, and returns where, and how many
// unknown messages each was sent.
func newerPeers(t testing.TB, server string) (address string, toServer, toAgent *atomic.Int64) {
	t.Helper()
	toServer, toAgent = new(atomic.Int64), new(atomic.Int64)
	h2c := new(http.Protocols)
	h2c.SetUnencryptedHTTP2(true)
	transport := &http.Transport{Protocols: h2c}
	proxy := &httputil.ReverseProxy{}
	proxy.Transport, proxy.FlushInterval = transport, -1
	proxy.ErrorLog = log.New(io.Discard, "", 0) // of the end, and of a server that is not up yet
	proxy.Rewrite = func(r *httputil.ProxyRequest) {
		r.SetURL(&url.URL{Scheme: "http", Host: server})
		r.Out.Header.Del("Connect-Accept-Encoding") // what is compressed cannot be extended
		r.Out.Body = &newer{ReadCloser: r.Out.Body, added: toServer}
	}
	proxy.ModifyResponse = func(r *http.Response) error {
		r.Body = &newer{ReadCloser: r.Body, added: toAgent}
		return nil
	}
	front := httptest.NewUnstartedServer(proxy)
	front.Config.Protocols = h2c
	front.Start()
	t.Cleanup(func() {
		front.CloseClientConnections()
		front.Close()
		transport.CloseIdleConnections()
	})
	return strings.TrimPrefix(front.URL, "http://"), toServer, toAgent
}

func TestMessagesAndFieldsOfANewerPeerArePassedOver(t *testing.T) {
	s := ovsdbd.Start(t, ovsdbd.Options{})
	l := &lab{t: t, switches: map[string]*ovsdbd.Server{"one": s}}
	l.fill("one")
	l.Cloud = product.NewCloud(t, inventory(30), product.CloudOptions{})
	clear := []string{"--fabric-certificate=", "--fabric-private-key=", "--fabric-ca-cert=", "--agents="}
	server := l.NewServe("server-1", clear...)
	l.Servers = []*product.Serve{server}
	address, toServer, toAgent := newerPeers(t, server.Fabric)
	agent := l.NewAgent("agent-1", "--servers="+address, "--ovsdb-hosts=one:"+s.TCP)
	l.Agents = []*product.Agent{agent}
	l.Start()
	gw := server.CreateGateway("gw", product.Device{Name: "ps1", Interfaces: []product.Interface{{Name: "eth1"}}})
	c := server.Connect(gw, netA, "100")
	server.WaitStatus(c, "ACTIVE")
	l.waitRows(30)
	l.WriteInventory(inventory(35))
	l.waitRows(35)
	server.Disconnect(c)
	l.waitRows(0)
	for to, n := range map[string]int64{"server": toServer.Load(), "agent": toAgent.Load()} {
		if n < 5 {
			t.Errorf("only %d unknown messages went to the %s", n, to)
		}
	}
	if got := agent.Monitor.Value(fmt.Sprintf("l2gw_agent_stream_connected{server=%q}", address)); got != 1 {
		t.Errorf("the stream is %v", got)
	}
	if n := strings.Count(agent.Log(), "a controller is there"); n != 1 {
		t.Errorf("there were %d streams, want 1", n)
	}
}
