package cluster

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"l2gw/test/product"
	"l2gw/test/sqlserver"
)

// Two servers, each on a node of its own.
func TestServersOnTwoNodesOfAClusterAreOneService(t *testing.T) {
	nodes := sqlserver.Cluster(t)
	database := nodes[0].Database(t)
	c := product.NewCloud(t, inventory, product.CloudOptions{Database: database})
	one := c.NewServe("one")
	c.Database = strings.Replace(database, nodes[0].Addr, nodes[1].Addr, 1)
	two := c.NewServe("two")
	servers := []*product.Serve{one, two}
	c.Servers = servers
	for _, s := range servers {
		serving(t, s)
	}
	exactly := func(t *testing.T, answers []answer, status, losers int) {
		t.Helper()
		if got := statuses(answers); got[status] != 1 || got[losers] != len(answers)-1 {
			t.Errorf("%v, want one %d and else %d", got, status, losers)
		}
	}
	times := func(n int, r func(i int) request) (list []request) {
		for i := range n {
			list = append(list, r(i))
		}
		return list
	}

	t.Run("what is written through one is read through the other at once", func(t *testing.T) {
		for i := range 100 {
			made := ask(t, servers[i%2], request{"POST", "/v2.0/l2-gateways", gateway(fmt.Sprint(i), "rounds")})
			shown := ask(t, servers[(i+1)%2], request{"GET", "/v2.0/l2-gateways/" + made.id(), nil})
			if made.status != http.StatusCreated || shown.status != http.StatusOK {
				t.Fatalf("round %d: %d %v, %d %v", i, made.status, made.body, shown.status, shown.body)
			}
		}
	})
	t.Run("of twenty that bind one place on both nodes one wins", func(t *testing.T) {
		made := together(t, servers, times(20, func(i int) request { return request{"POST", "/v2.0/l2-gateways", gateway(fmt.Sprint("g", i), "p")} })...)
		answers := together(t, servers, times(20, func(i int) request {
			return request{"POST", "/v2.0/l2-gateway-connections", connection(made[i].id(), network, "5")}
		})...)
		exactly(t, answers, http.StatusCreated, http.StatusConflict)
		for _, a := range answers {
			if a.status != http.StatusCreated {
				continue
			}
			exactly(t, together(t, servers, times(10, func(int) request {
				return request{"DELETE", "/v2.0/l2-gateway-connections/" + a.id(), nil}
			})...), http.StatusNoContent, http.StatusNotFound)
		}
	})
	t.Run("of twenty that want the last place of a quota one has it", func(t *testing.T) {
		ask(t, one, request{"PUT", "/v2.0/quotas/limited", product.Object{"quota": product.Object{"l2_gateway": 1}}})
		exactly(t, together(t, servers, times(20, func(i int) request {
			return request{"POST", "/v2.0/l2-gateways", gateway(fmt.Sprint("l", i), "limited")}
		})...), http.StatusCreated, http.StatusConflict)
	})
	oneLeads := func(t *testing.T) {
		t.Helper()
		product.Eventually(t, "exactly one leads", func() error {
			if n := one.Metric("l2gw_lease_leading") + two.Metric("l2gw_lease_leading"); n != 1 {
				return fmt.Errorf("%v do", n)
			}
			return nil
		})
	}
	oneLeads(t)

	t.Run("a node is killed under load and comes back", func(t *testing.T) {
		stop := make(chan struct{})
		acknowledged := make([]map[string]bool, 2)
		var load sync.WaitGroup
		for i, s := range servers {
			acknowledged[i] = map[string]bool{}
			load.Go(func() {
				for n := 0; ; n++ {
					select {
					case <-stop:
						return
					default:
					}
					switch a := ask(t, s, request{"POST", "/v2.0/l2-gateways", gateway(fmt.Sprint("load ", i, " ", n), "load")}); {
					case a.status == http.StatusCreated:
						acknowledged[i][a.id()] = true
					case a.status != http.StatusServiceUnavailable || a.retryAfter == "":
						t.Errorf("%s: %d %v", s.Name, a.status, a.body)
					}
				}
			})
		}
		nodes[1].Kill()
		gone := ask(t, two, request{"GET", "/v2.0/l2-gateways?fields=id", nil})
		if gone.status != http.StatusServiceUnavailable || gone.retryAfter == "" || gone.took > inTime {
			t.Errorf("the server without its node: %d %v after %v", gone.status, gone.body, gone.took)
		}
		works := func(what string, s *product.Serve) {
			t.Helper()
			product.Eventually(t, what, func() error {
				if a := ask(t, s, request{"POST", "/v2.0/l2-gateways", gateway("works", "p")}); a.status != http.StatusCreated {
					return errors.New(fmt.Sprint(a.status, a.body))
				}
				return nil
			})
		}
		works("the other goes on", one)
		oneLeads(t)
		nodes[1].Run(t)
		works("its server works again", two)
		close(stop)
		load.Wait()
		for _, s := range servers {
			list := ask(t, s, request{"GET", "/v2.0/l2-gateways?tenant_id=load&fields=id&fields=name", nil})
			there, names := map[string]bool{}, map[string]bool{}
			for _, o := range list.body["l2_gateways"].([]any) {
				g := o.(product.Object)
				if name := g["name"].(string); names[name] {
					t.Errorf("%s: %s is there twice", s.Name, name)
				}
				there[g["id"].(string)], names[g["name"].(string)] = true, true
			}
			for i := range acknowledged {
				for id := range acknowledged[i] {
					if !there[id] {
						t.Errorf("%s: %s was acknowledged and is lost", s.Name, id)
					}
				}
			}
		}
		t.Logf("%d and %d were made under load", len(acknowledged[0]), len(acknowledged[1]))
		oneLeads(t)
	})
}
