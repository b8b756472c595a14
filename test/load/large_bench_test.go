package load

import (
	"encoding/json"
	"fmt"
	"sync"
	"testing"
	"time"

	"l2gw/test/product"
)

// BenchmarkLargestGateway is a gateway of 10,000 ports, 100 switches of 100, from its
// beginning to its end, and how long another client's write waits for it at most.
func BenchmarkLargestGateway(b *testing.B) {
	for _, e := range engines {
		b.Run(e.name, func(b *testing.B) {
			cloud := product.NewCloud(b, inventory, product.CloudOptions{Servers: 1, Database: e.database(b)})
			cloud.Start()
			s := &client{b: b, url: cloud.Servers[0].URL}
			create := largest()
			did := map[string]time.Duration{}
			timed := func(what string, f func() []byte) []byte {
				began := time.Now()
				out := f()
				did[what] = time.Since(began)
				return out
			}
			longest, stop := s.writing()
			gateway := idOf(b, timed("create", func() []byte { return s.post("/v2.0/l2-gateways", create) }))
			connection := idOf(b, timed("connect", func() []byte {
				return s.post("/v2.0/l2-gateway-connections", fmt.Appendf(nil,
					`{"l2_gateway_connection": {"l2_gateway_id": %q, "network_id": "aaaaaaaa-0000-4000-8000-000000000001", "segmentation_id": "5"}}`, gateway))
			}))
			timed("show", func() []byte { return s.get("/v2.0/l2-gateway-connections/" + connection) })
			timed("disconnect", func() []byte { return s.do("DELETE", "/v2.0/l2-gateway-connections/"+connection, nil) })
			timed("delete", func() []byte { return s.do("DELETE", "/v2.0/l2-gateways/"+gateway, nil) })
			stop()
			for what, took := range did {
				s.report("ms-"+what, ms(took))
			}
			s.report("ms-others-wait", ms(*longest))
			s.report("MB-RSS-peak", memory(b, cloud.Servers[0].Pid(), "VmHWM"))
		})
	}
}

// writing has somebody else create gateways until it is stopped. Then longest is how
// long one of them took at most.
func (s *client) writing() (longest *time.Duration, stop func()) {
	longest = new(time.Duration)
	end := make(chan struct{})
	var writer sync.WaitGroup
	writer.Go(func() {
		for {
			select {
			case <-end:
				return
			default:
			}
			began := time.Now()
			s.post("/v2.0/l2-gateways", gateways("small", 1))
			*longest = max(*longest, time.Since(began))
		}
	})
	return longest, func() { close(end); writer.Wait() }
}

func largest() []byte {
	type object = map[string]any
	var devices []object
	for d := range 100 {
		var ports []object
		for i := range 100 {
			ports = append(ports, object{"name": fmt.Sprint("eth", i)})
		}
		devices = append(devices, object{"device_name": fmt.Sprint("leaf-", d), "interfaces": ports})
	}
	text, err := json.Marshal(object{"l2_gateway": object{"name": "largest", "devices": devices}})
	if err != nil {
		panic(err)
	}
	return text
}

// idOf is the id of the one object in an answer.
func idOf(b *testing.B, answer []byte) string {
	b.Helper()
	var body map[string]struct{ ID string }
	if err := json.Unmarshal(answer, &body); err != nil {
		b.Fatal(err)
	}
	for _, object := range body {
		return object.ID
	}
	b.Fatalf("nothing in %.200s", answer)
	return ""
}
