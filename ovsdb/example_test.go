package ovsdb_test

import (
	"context"
	"errors"
	"fmt"
	"log"

	"l2gw/ovsdb"
)

// A reconciler: whatever woke it, it looks at the whole snapshot or at what
// changed, and writes the difference to what it wants.
func ExampleClient() {
	connect, err := ovsdb.Dialer(nil, "tcp:192.0.2.1:6640")
	if err != nil {
		log.Fatal(err)
	}
	byName := ovsdb.Index{Name: "name", Columns: []string{"name"}}
	client, err := ovsdb.NewClient(ovsdb.ClientOptions{
		Database: "hardware_vtep",
		Connect:  connect,
		Tables:   map[string][]string{"Logical_Switch": {"name", "tunnel_key"}},
		Indexes:  map[string][]ovsdb.Index{"Logical_Switch": {byName}},
		Lock:     "l2gw",
	})
	if err != nil {
		log.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() { _ = client.Run(ctx) }()

	sub := client.Subscribe()
	defer sub.Close()
	for {
		changes, err := sub.Next(ctx)
		if err != nil {
			return
		}
		if !changes.State.Locked() || changes.New.Table("Logical_Switch").Lookup(byName, "net-a").Len() > 0 {
			continue
		}
		_, err = client.Transact(ctx,
			ovsdb.Assert("l2gw"),
			ovsdb.Insert("Logical_Switch", "", ovsdb.Cell{Column: "name", Value: "net-a"}, ovsdb.Cell{Column: "tunnel_key", Value: int64(5001)}))
		var failed *ovsdb.TransactError
		switch {
		case errors.Is(err, ovsdb.ErrNotOwner):
			fmt.Println("another writer has taken over")
		case errors.As(err, &failed):
			fmt.Println("operation", failed.Index, "failed:", failed.Err)
		}
	}
}

// A switch that dials in, as `vtep-ctl set-manager ssl:…` makes it do, and is
// known by its certificate.
func ExampleListen() {
	conf, err := ovsdb.TLSFiles{Certificate: "controller-cert.pem", Key: "controller-key.pem", CA: "switchca.pem"}.Server()
	if err != nil {
		log.Fatal(err)
	}
	listener, err := ovsdb.Listen("pssl:6640", ovsdb.ListenOptions{
		TLS:      conf,
		Identify: func(p ovsdb.Peer) (string, error) { return p.TLS.PeerCertificates[0].Subject.CommonName, nil },
	})
	if err != nil {
		log.Fatal(err)
	}
	defer listener.Close()
	client, err := ovsdb.NewClient(ovsdb.ClientOptions{Database: "hardware_vtep", Connect: listener.Database("tor-1"), Tables: map[string][]string{"Physical_Switch": nil}})
	if err != nil {
		log.Fatal(err)
	}
	log.Print(client.Run(context.Background()))
}
