package l2gw_test

import (
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"l2gw"
	"l2gw/internal/cow"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// slowTable says the rules of learned MACs in lists that it searches from end
// to end: no counters, no queues, no memory of what was published.
type slowTable struct {
	limit     int
	now       time.Time
	clock     int
	claims    []*slowClaim // in the order of arrival
	places    map[l2gw.MAC]*slowPlace
	inventory map[l2gw.MAC]l2gw.Host
}

type slowClaim struct {
	db      string
	host    l2gw.Host
	born    int
	waiting bool
}

type slowPlace struct {
	db     string
	host   l2gw.Host
	judged int // born of the claim judged last
	moves  []time.Time
	aged   time.Time // zero: claimed
	agedNo int
	froze  time.Time // zero: free
}

func (s *slowTable) at(now time.Time) {
	if now.After(s.now) {
		s.now = now
	}
	for m, p := range s.places {
		if !p.aged.IsZero() && s.now.Sub(p.aged) >= 300*time.Second {
			delete(s.places, m)
		}
	}
	for m, p := range s.places {
		if !p.froze.IsZero() && s.now.Sub(p.froze) >= 180*time.Second {
			s.thaw(m)
		}
	}
}

func (s *slowTable) thaw(m l2gw.MAC) {
	if p := s.places[m]; p != nil && !p.froze.IsZero() {
		p.froze, p.moves = time.Time{}, nil
		s.judge(m)
	}
}

// used counts what fills a database's room, but for the MAC m.
func (s *slowTable) used(db string, m l2gw.MAC) (n int) {
	for _, c := range s.claims {
		if c.db == db && !c.waiting && c.host.MAC != m {
			n++
		}
	}
	for o, p := range s.places {
		if p.db == db && !p.aged.IsZero() && o != m {
			n++
		}
	}
	return n
}

// displace removes what a database holds the longest, other than m.
func (s *slowTable) displace(db string, m l2gw.MAC) bool {
	var oldest l2gw.MAC
	for o, p := range s.places {
		if p.db == db && !p.aged.IsZero() && o != m && (oldest == l2gw.MAC{} || p.agedNo < s.places[oldest].agedNo) {
			oldest = o
		}
	}
	delete(s.places, oldest)
	return oldest != l2gw.MAC{}
}

func (s *slowTable) full() bool { return s.limit > 0 }

func (s *slowTable) find(db string, m l2gw.MAC) int {
	return slices.IndexFunc(s.claims, func(c *slowClaim) bool { return c.db == db && c.host.MAC == m })
}

func (s *slowTable) learn(db string, h l2gw.Host) {
	s.clock++
	if i := s.find(db, h.MAC); i >= 0 {
		c := s.claims[i]
		if c.host.VTEP != h.VTEP {
			c.born = s.clock
		}
		c.host = h
	} else {
		c := &slowClaim{db: db, host: h, born: s.clock}
		if s.full() && s.used(db, h.MAC) >= s.limit {
			c.waiting = !s.displace(db, h.MAC)
		}
		s.claims = append(s.claims, c)
	}
	s.judge(h.MAC)
}

func (s *slowTable) age(db string, m l2gw.MAC) {
	i := s.find(db, m)
	if i < 0 {
		return
	}
	s.claims = slices.Delete(s.claims, i, i+1)
	s.judge(m)
	for _, c := range s.claims {
		if c.db == db && c.waiting && (s.used(db, l2gw.MAC{}) < s.limit || s.displace(db, l2gw.MAC{})) {
			c.waiting = false
			s.judge(c.host.MAC)
			return
		}
	}
}

func (s *slowTable) judge(m l2gw.MAC) {
	var best *slowClaim
	for _, c := range s.claims {
		if c.host.MAC == m && !c.waiting && (best == nil || c.born > best.born) {
			best = c
		}
	}
	p := s.places[m]
	_, known := s.inventory[m]
	if p != nil && known {
		p.moves, p.froze = nil, time.Time{}
	}
	switch {
	case best == nil && p == nil:
	case best == nil && known:
		delete(s.places, m)
	case best == nil && p.aged.IsZero():
		if s.full() && s.used(p.db, m) >= s.limit && !s.displace(p.db, m) {
			delete(s.places, m)
			return
		}
		s.clock++
		p.aged, p.agedNo = s.now, s.clock
	case best == nil:
	case p == nil:
		s.places[m] = &slowPlace{db: best.db, host: best.host, judged: best.born}
	default:
		p.aged = time.Time{}
		if (p.db != best.db || p.host.VTEP != best.host.VTEP) && !known {
			recent := 0
			for _, t := range p.moves {
				if s.now.Sub(t) < 180*time.Second {
					recent++
				}
			}
			if recent >= 5 || !p.froze.IsZero() {
				if p.judged != best.born {
					p.froze = s.now
				}
				p.judged = best.born
				return
			}
			p.moves = append(p.moves, s.now)
		}
		p.db, p.host, p.judged = best.db, best.host, best.born
	}
}

func (s *slowTable) forget(db string) {
	mine := map[l2gw.MAC]bool{}
	s.claims = slices.DeleteFunc(s.claims, func(c *slowClaim) bool {
		if c.db == db {
			mine[c.host.MAC] = true
		}
		return c.db == db
	})
	for _, m := range slices.SortedFunc(maps.Keys(s.places), l2gw.MAC.Compare) {
		if p := s.places[m]; p != nil && p.db == db {
			delete(s.places, m)
			s.judge(m)
		} else if p != nil && mine[m] {
			s.judge(m)
		}
	}
}

// told lists what others are to be told, and what is to be reported.
func (s *slowTable) told() (hosts map[l2gw.MAC]l2gw.Host, reports map[string]bool, deadline time.Time) {
	hosts, reports = map[l2gw.MAC]l2gw.Host{}, map[string]bool{}
	sooner := func(t time.Time) {
		if deadline.IsZero() || t.Before(deadline) {
			deadline = t
		}
	}
	for m, p := range s.places {
		known, ok := s.inventory[m]
		if !ok {
			hosts[m] = p.host
		} else if known.VTEP != p.host.VTEP {
			reports[fmt.Sprint(l2gw.MACConflict, p.db, m)] = true
		}
		if !p.aged.IsZero() {
			sooner(p.aged.Add(300 * time.Second))
		}
		if !p.froze.IsZero() {
			reports[fmt.Sprint(l2gw.MACFrozen, p.db, m)] = true
			sooner(p.froze.Add(180 * time.Second))
		}
	}
	for _, c := range s.claims {
		if c.waiting {
			reports[fmt.Sprint(l2gw.MACOverLimit, c.db, l2gw.MAC{})] = true
		}
	}
	return hosts, reports, deadline
}

func TestLearnedMACsFollowTheRulesInAnyHistory(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		limit := rapid.IntRange(0, 4).Draw(t, "limit")
		table := l2gw.NewMACTable(limit)
		model := &slowTable{limit: limit, places: map[l2gw.MAC]*slowPlace{}, inventory: map[l2gw.MAC]l2gw.Host{}}
		mirror := map[l2gw.MAC]l2gw.Host{} // what a listener to the changes knows
		now := epoch
		oldReports := map[string]bool{}

		anyMAC := rapid.Custom(func(t *rapid.T) l2gw.MAC { return mac(rapid.ByteRange(1, 7).Draw(t, "mac")) })
		anyDB := rapid.SampledFrom([]string{"db1", "db2", "db3"})
		hostOf := func(db string) *rapid.Generator[l2gw.Host] {
			return rapid.Custom(func(t *rapid.T) l2gw.Host {
				h := l2gw.Host{MAC: anyMAC.Draw(t, "mac"), VTEP: vtep(10*db[2] + rapid.ByteRange(0, 1).Draw(t, "vtep"))}
				if rapid.IntRange(0, 3).Draw(t, "ip") == 0 {
					h.IPs = append(h.IPs, vtep(99))
				}
				return h
			})
		}
		hostsOf := func(db string, n int) *rapid.Generator[[]l2gw.Host] {
			return rapid.SliceOfNDistinct(hostOf(db), 0, n, func(h l2gw.Host) l2gw.MAC { return h.MAC })
		}
		check := func(c l2gw.MACChanges) {
			for _, h := range c.Set {
				mirror[h.MAC] = h
			}
			for _, m := range c.Unset {
				if _, had := mirror[m]; !had {
					t.Fatalf("%s is unset and was not set", m)
				}
				delete(mirror, m)
			}
			hosts, reports, deadline := model.told()
			same := cmp.Comparer(l2gw.Host.Equal)
			if diff := cmp.Diff(hosts, maps.Collect(table.Hosts().All()), same); diff != "" {
				t.Fatalf("hosts (-model +table)\n%s", diff)
			}
			if diff := cmp.Diff(hosts, mirror, same); diff != "" {
				t.Fatalf("the changes do not lead there (-model +changes)\n%s", diff)
			}
			got := map[string]bool{}
			for _, r := range table.Reports() {
				got[fmt.Sprint(r.Kind, r.Database, r.MAC)] = true
			}
			if diff := cmp.Diff(reports, got); diff != "" {
				t.Fatalf("reports (-model +table)\n%s", diff)
			}
			if !maps.Equal(got, oldReports) && !c.Reports {
				t.Fatal("the reports changed without notice")
			}
			oldReports = got
			if next, ok := table.Deadline(); ok != !deadline.IsZero() || !next.Equal(deadline) {
				t.Fatalf("deadline %v, want %v", next, deadline)
			}
		}
		t.Repeat(map[string]func(*rapid.T){
			"time passes": func(t *rapid.T) {
				now = now.Add(rapid.SampledFrom([]time.Duration{time.Second, 35 * time.Second, 100 * time.Second, 180 * time.Second, -time.Second}).Draw(t, "step"))
				model.at(now)
				check(table.Advance(now))
			},
			"the deadline comes": func(*rapid.T) {
				if next, ok := table.Deadline(); ok {
					now = next
					model.at(now)
					check(table.Advance(now))
				}
			},
			"learn": func(t *rapid.T) {
				db := anyDB.Draw(t, "db")
				h := hostOf(db).Draw(t, "host")
				model.at(now)
				model.learn(db, h)
				check(table.Delta(now, db, []l2gw.Host{h}, nil))
			},
			"flap": func(t *rapid.T) {
				db, m := anyDB.Draw(t, "db"), anyMAC.Draw(t, "mac")
				for i := range byte(rapid.IntRange(2, 7).Draw(t, "times")) {
					h := l2gw.Host{MAC: m, VTEP: vtep(10*db[2] + i%2)}
					model.at(now)
					model.learn(db, h)
					check(table.Delta(now, db, []l2gw.Host{h}, nil))
				}
			},
			"delta": func(t *rapid.T) {
				db := anyDB.Draw(t, "db")
				hosts := hostsOf(db, 3).Draw(t, "hosts")
				gone := rapid.SliceOfN(anyMAC, 0, 3).Draw(t, "gone")
				model.at(now)
				for _, m := range gone {
					model.age(db, m)
				}
				for _, h := range hosts {
					model.learn(db, h)
				}
				check(table.Delta(now, db, hosts, gone))
			},
			"full": func(t *rapid.T) {
				db := anyDB.Draw(t, "db")
				hosts := hostsOf(db, 6).Draw(t, "hosts")
				model.at(now)
				for _, m := range []l2gw.MAC{mac(1), mac(2), mac(3), mac(4), mac(5), mac(6), mac(7)} {
					if !slices.ContainsFunc(hosts, func(h l2gw.Host) bool { return h.MAC == m }) {
						model.age(db, m)
					}
				}
				for _, h := range hosts {
					model.learn(db, h)
				}
				check(table.Full(now, db, hosts))
			},
			"inventory": func(t *rapid.T) {
				model.at(now)
				old := model.inventory
				model.inventory = map[l2gw.MAC]l2gw.Host{}
				var m cow.Map[l2gw.MAC, l2gw.Host]
				for _, h := range hostsOf(anyDB.Draw(t, "db"), 3).Draw(t, "hosts") {
					model.inventory[h.MAC] = h
					m = m.Set(h.MAC, h)
				}
				for _, x := range slices.Collect(maps.Keys(model.places)) {
					model.judge(x)
				}
				if rapid.Bool().Draw(t, "whole") {
					check(table.SetInventory(now, m))
					return
				}
				var changed []l2gw.MAC
				for n := range byte(8) {
					was, had := old[mac(n)]
					if is, has := model.inventory[mac(n)]; had != has || !was.Equal(is) {
						changed = append(changed, mac(n))
					}
				}
				check(table.UpdateInventory(now, m, changed))
			},
			"forget": func(t *rapid.T) {
				db := anyDB.Draw(t, "db")
				model.at(now)
				model.forget(db)
				check(table.Forget(now, db))
			},
			"thaw": func(t *rapid.T) {
				m := anyMAC.Draw(t, "mac")
				model.at(now)
				model.thaw(m)
				check(table.Thaw(now, m))
			},
		})
	})
}
