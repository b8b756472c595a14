package engine

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"l2gw/test/product"
)

func (c *chaos) addPort() {
	c.names++
	mac := fmt.Sprintf("fa:16:3e:00:%02x:%02x", c.names>>8, c.names&0xff)
	c.world.inventory.ports[mac] = chaosPort{
		pickKey(c, c.world.inventory.networks), pickKey(c, c.world.inventory.vteps),
		fmt.Sprintf("10.5.%d.%d", c.names>>8, c.names&0xff),
	}
}

func (c *chaos) editInventory() {
	v := &c.world.inventory
	for range 1 + c.rng.IntN(4) {
		id, mac := pickKey(c, v.networks), ""
		n := v.networks[id]
		if len(v.ports) > 0 {
			mac = pickKey(c, v.ports)
		}
		p := v.ports[mac]
		if n.gone && c.rng.IntN(2) == 0 {
			n.gone = false
			v.networks[id] = n
			continue
		}
		switch kind := c.rng.IntN(20); {
		case kind < 5 || mac == "":
			c.addPort()
		case kind < 8:
			p.host = pickKey(c, v.vteps)
			v.ports[mac] = p
		case kind < 9:
			p.ip = fmt.Sprintf("10.9.%d.%d", c.rng.IntN(200), c.rng.IntN(200))
			v.ports[mac] = p
		case kind < 11:
			delete(v.ports, mac)
		case kind < 12:
			host := p.host // all its ports leave: a VTEP goes
			maps.DeleteFunc(v.ports, func(_ string, x chaosPort) bool { return x.host == host })
		case kind < 14:
			n.gone = !n.gone
			v.networks[id] = n
		case kind < 15:
			n.name = c.name("net")
			v.networks[id] = n
		case kind < 16:
			c.names++
			n.vni = 6000 + c.names
			v.networks[id] = n
		case kind < 17:
			other := pickKey(c, v.networks)
			o := v.networks[other]
			n.vni, o.vni = o.vni, n.vni
			if other != id {
				v.networks[id], v.networks[other] = n, o
			}
		case kind < 18:
			c.names++
			v.vteps[pickKey(c, v.vteps)] = fmt.Sprintf("10.77.%d.%d", 2+c.names>>8, c.names&0xff)
		default:
			for range 100 {
				c.addPort()
			}
		}
	}
	c.Log("the inventory changes")
	if c.rng.IntN(8) == 0 {
		c.p.WriteInventory("networks: [{id: 1")
		c.pause(800)
	}
	c.p.WriteInventory(v.yaml())
}

// blinkNetwork takes a network out of the inventory and puts it back; now and
// then a switch is away meanwhile, and hears of neither.
func (c *chaos) blinkNetwork() {
	if !c.p.well() {
		return // a server that is away would not read it
	}
	id := pickKey(c, c.world.inventory.networks)
	n := c.world.inventory.networks[id]
	c.Logf("network %s blinks", id)
	i := c.rng.IntN(2 * len(c.servers))
	away := i < len(c.servers) && c.up[i]
	if away {
		c.servers[i].Kill()
		c.up[i] = false
	}
	for _, gone := range []bool{true, false} {
		n.gone = gone
		c.world.inventory.networks[id] = n
		c.p.WriteInventory(c.world.inventory.yaml())
		product.Eventually(c, "the product has read it", func() error {
			for _, url := range c.p.urls() {
				if status, _, err := c.callAt(url, request{method: "GET", path: "/v2.0/networks/" + id}); err != nil || (status == 404) != gone {
					return fmt.Errorf("%s: %d %w", url, status, err)
				}
			}
			return nil
		})
	}
	if away {
		c.bringUp(i)
	}
}

// upDatabase picks a database whose server can be spoken to; false if there is none.
func (c *chaos) upDatabase() (int, bool) {
	var up []int
	for i, ok := range c.up {
		if ok {
			up = append(up, i)
		}
	}
	if len(up) == 0 {
		return 0, false
	}
	return pick(c, up), true
}

// ours picks one of the rows of a table that belong to a logical switch of ours.
// The order of names makes the choice depend on the seed alone.
func (c *chaos) ours(db map[string]table, of string) (ls, row string) {
	switches := map[string]string{}
	for uuid, r := range db["Logical_Switch"].rows {
		if name := r["name"].(string); name != theirs {
			switches[name] = uuid
		}
	}
	if len(switches) == 0 {
		return "", ""
	}
	ls = switches[pickKey(c, switches)]
	rows := map[string]string{}
	for uuid, r := range db[of].rows {
		if uuidOf(r["logical_switch"]) == ls {
			rows[r["MAC"].(string)+uuid] = uuid
		}
	}
	if len(rows) > 0 {
		row = rows[pickKey(c, rows)]
	}
	return ls, row
}

// damage is what an operator's hand, or another program, does to what is ours.
func (c *chaos) damage() {
	i, ok := c.upDatabase()
	if !ok {
		return
	}
	db := dump(c, c.servers[i])
	table := "Ucast_Macs_Remote"
	kind := c.rng.IntN(16)
	if kind == 2 || kind == 3 {
		table = "Mcast_Macs_Remote"
	}
	ls, row := c.ours(db, table)
	if ls == "" {
		return
	}
	const is = `"where":[["_uuid","==",["uuid","%s"]]]`
	foreignOnly := kind >= 13
	if row == "" && kind <= 7 {
		return
	}
	switch kind {
	case 0:
		c.byHand(i, `{"op":"delete","table":"Ucast_Macs_Remote","where":[["logical_switch","==",["uuid","%s"]]]}`, ls)
	case 1:
		c.byHand(i, `{"op":"delete","table":"Ucast_Macs_Remote",`+is+`}`, row)
	case 2:
		c.byHand(i, `{"op":"delete","table":"Mcast_Macs_Remote",`+is+`}`, row)
	case 3:
		c.byHand(i, `{"op":"insert","table":"Mcast_Macs_Remote","row":{"MAC":"unknown-dst","logical_switch":["uuid","%s"],"locator_set":["uuid","%s"]}}`,
			ls, uuidOf(db[table].rows[row]["locator_set"]))
	case 4, 5:
		r := db[table].rows[row]
		mac := r["MAC"].(string)
		if kind == 5 {
			mac = strings.ToUpper(mac)
		}
		c.byHand(i, `{"op":"insert","table":"Ucast_Macs_Remote","row":{"MAC":"%s","logical_switch":["uuid","%s"],"locator":["uuid","%s"],"ipaddr":"1.2.3.4"}}`,
			mac, ls, uuidOf(r["locator"]))
	case 6:
		c.byHand(i, `{"op":"insert","table":"Physical_Locator","uuid-name":"l","row":{"encapsulation_type":"vxlan_over_ipv4","dst_ip":"10.66.0.%d"}},
			{"op":"update","table":"Ucast_Macs_Remote",`+is+`,"row":{"locator":["named-uuid","l"]}}`, c.hands%250+1, row)
	case 7:
		c.byHand(i, `{"op":"update","table":"Ucast_Macs_Remote",`+is+`,"row":{"ipaddr":"9.9.9.9","MAC":"Fa:16:3E:99:99:99"}}`, row)
	case 8:
		c.byHand(i, `{"op":"insert","table":"Physical_Locator","uuid-name":"l","row":{"encapsulation_type":"vxlan_over_ipv4","dst_ip":"10.66.1.%d"}},
			{"op":"insert","table":"Ucast_Macs_Remote","row":{"MAC":"02:00:00:00:00:aa","logical_switch":["uuid","%s"],"locator":["named-uuid","l"],"ipaddr":""}}`, c.hands%250+1, ls)
	case 9:
		c.byHand(i, `{"op":"update","table":"Logical_Switch",`+is+`,"row":{"description":"mine!","replication_mode":"service_node"}}`, ls)
	case 10:
		c.byHand(i, `{"op":"update","table":"Logical_Switch",`+is+`,"row":{"tunnel_key":%s}}`, ls, pick(c, []string{`["set",[]]`, `4711`}))
	case 11:
		c.byHand(i, `{"op":"delete","table":"Ucast_Macs_Remote","where":[["logical_switch","==",["uuid","%[1]s"]]]},
			{"op":"delete","table":"Mcast_Macs_Remote","where":[["logical_switch","==",["uuid","%[1]s"]]]},
			{"op":"delete","table":"Ucast_Macs_Local","where":[["logical_switch","==",["uuid","%[1]s"]]]},
			{"op":"mutate","table":"Physical_Port","where":[],"mutations":[["vlan_bindings","delete",["map",[%[2]s]]]]},
			{"op":"delete","table":"Logical_Switch","where":[["_uuid","==",["uuid","%[1]s"]]]}`, ls, boundVLANs(db, ls))
	case 12:
		port := c.port(db)
		c.byHand(i, `{"op":"mutate","table":"Physical_Port",`+is+`,"mutations":[["vlan_bindings","delete",["map",[%s]]],
			["vlan_bindings","insert",["map",[[%d,["uuid","%s"]]]]]]}`, port, boundVLANs(db, ls), 3000+c.rng.IntN(50), ls)
	}
	if foreignOnly {
		c.bindForeign(i, db)
	}
}

// boundVLANs are all bindings to a logical switch, as the elements of a map.
func boundVLANs(db map[string]table, ls string) string {
	var all []string
	for _, r := range db["Physical_Port"].rows {
		for _, b := range pairs(r["vlan_bindings"]) {
			if uuidOf(b[1]) == ls {
				all = append(all, fmt.Sprintf(`[%v,["uuid","%s"]]`, b[0], ls))
			}
		}
	}
	slices.Sort(all)
	return strings.Join(slices.Compact(all), ",")
}

// port picks a port of the switches.
func (c *chaos) port(db map[string]table) string {
	ports := map[string]string{}
	for _, ps := range db["Physical_Switch"].rows {
		for _, p := range elements(ps["ports"]) {
			ports[fmt.Sprint(ps["name"], db["Physical_Port"].rows[uuidOf(p)]["name"])] = uuidOf(p)
		}
	}
	return ports[pickKey(c, ports)]
}

// bindForeign puts a VLAN to somebody else's use, or ends that.
func (c *chaos) bindForeign(i int, db map[string]table) {
	foreign := slices.Sorted(maps.Keys(c.world.databases[i].foreign))
	place := pick(c, foreign)
	remove := len(foreign) > 2 && c.rng.IntN(2) == 0
	if !remove {
		var devices []string
		for device := range c.world.databases[i].tunnel {
			devices = append(devices, device)
		}
		slices.Sort(devices)
		place = fmt.Sprintf("%s/%s/%s", pick(c, devices), pick(c, []string{"eth1", "eth2"}), pick(c, []string{"10", "11", "100", "201"}))
	}
	at := strings.Split(place, "/")
	var port, ls string
	for _, ps := range db["Physical_Switch"].rows {
		for _, p := range elements(ps["ports"]) {
			if ps["name"] == at[0] && db["Physical_Port"].rows[uuidOf(p)]["name"] == at[1] {
				port = uuidOf(p)
			}
		}
	}
	for uuid, r := range db["Logical_Switch"].rows {
		if r["name"] == theirs {
			ls = uuid
		}
	}
	if remove {
		if c.byHand(i, `{"op":"mutate","table":"Physical_Port","where":[["_uuid","==",["uuid","%s"]]],"mutations":[["vlan_bindings","delete",["map",[[%s,["uuid","%s"]]]]]]}`, port, at[2], ls) {
			delete(c.world.databases[i].foreign, place)
		}
		return
	}
	if c.byHand(i, `{"op":"mutate","table":"Physical_Port","where":[["_uuid","==",["uuid","%s"]]],"mutations":[["vlan_bindings","delete",["set",[%s]]],
		["vlan_bindings","insert",["map",[[%s,["uuid","%s"]]]]]]}`, port, at[2], at[2], ls) {
		c.world.databases[i].foreign[place] = theirs
	}
}

// learnSomething is a switch that hears a host, or hears it no more.
func (c *chaos) learnSomething() {
	if slices.Contains(c.up, false) {
		return // a MAC that moves must be given up where it was
	}
	mac := fmt.Sprintf("02:00:00:00:b1:%02x", c.rng.IntN(12))
	if len(c.world.inventory.ports) > 0 && c.rng.IntN(6) == 0 {
		mac = pickKey(c, c.world.inventory.ports) // a loop, or a theft
	}
	i := c.rng.IntN(len(c.servers))
	db := dump(c, c.servers[i])
	type spot struct{ vtep, ls string }
	spots := map[string]spot{}
	for _, ps := range db["Physical_Switch"].rows {
		for _, p := range elements(ps["ports"]) {
			for _, b := range pairs(db["Physical_Port"].rows[uuidOf(p)]["vlan_bindings"]) {
				if name := fmt.Sprint(db["Logical_Switch"].rows[uuidOf(b[1])]["name"]); name != theirs {
					spots[fmt.Sprint(ps["name"], name)] = spot{optional(ps["tunnel_ips"]), uuidOf(b[1])}
				}
			}
		}
	}
	forget := func() {
		for j := range c.servers {
			c.byHand(j, `{"op":"delete","table":"Ucast_Macs_Local","where":[["MAC","==","%s"]]}`, mac)
		}
	}
	if len(spots) == 0 || c.rng.IntN(4) == 0 {
		forget()
		return
	}
	if c.moves[mac]++; c.moves[mac] > 3 {
		return // or it would be frozen
	}
	at := spots[pickKey(c, spots)]
	locator, ops := `["named-uuid","l"]`, `{"op":"insert","table":"Physical_Locator","uuid-name":"l","row":{"encapsulation_type":"vxlan_over_ipv4","dst_ip":"`+at.vtep+`"}},`
	for uuid, r := range db["Physical_Locator"].rows {
		if r["dst_ip"] == at.vtep {
			locator, ops = `["uuid","`+uuid+`"]`, ""
		}
	}
	forget()
	c.byHand(i, ops+`{"op":"insert","table":"Ucast_Macs_Local","row":{"MAC":"%s","logical_switch":["uuid","%s"],"locator":%s,"ipaddr":""}}`, mac, at.ls, locator)
}

func (c *chaos) breakSwitch() {
	i := c.rng.IntN(len(c.servers))
	s := c.servers[i]
	if !c.up[i] {
		c.bringUp(i)
		return
	}
	switch kind := c.rng.IntN(12); {
	case kind < 2:
		c.fault("switch SIGKILL and start")
		c.Logf("db%d is killed and starts again", i)
		s.Kill()
		s.Run()
	case kind < 4:
		c.fault("switch SIGKILL")
		c.Logf("db%d is killed", i)
		s.Kill()
		c.up[i] = false
	case kind < 6:
		c.fault("switch wiped")
		c.Logf("db%d is wiped", i)
		s.Wipe()
		c.pause(100)
		c.fill(i)
	case kind < 8:
		c.fault("switch SIGSTOP")
		c.Logf("db%d stands still", i)
		s.Pause()
		c.up[i], c.still[i] = false, true
	default:
		device := pickKey(c, c.world.databases[i].tunnel)
		old := c.world.databases[i].tunnel[device]
		c.names++
		ip := fmt.Sprintf("10.77.9.%d", c.names&0xff)
		if c.byHand(i, `{"op":"update","table":"Physical_Switch","where":[["name","==","%s"]],"row":{"tunnel_ips":"%s"}},
			{"op":"delete","table":"Ucast_Macs_Local","where":[]}`, device, ip) {
			c.Logf("%s has the tunnel IP %s in place of %s", device, ip, old)
			c.world.databases[i].tunnel[device] = ip
		}
	}
}

func (c *chaos) bringUp(i int) {
	if c.up[i] {
		return
	}
	c.Logf("db%d is back", i)
	s := c.servers[i]
	if c.still[i] {
		s.Continue()
	} else {
		s.Run()
	}
	c.up[i], c.still[i] = true, false
}
