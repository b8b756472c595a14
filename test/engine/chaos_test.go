package engine

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"l2gw/test/ovsdbd"
	"l2gw/test/product"
)

const (
	defaultChaosRounds = 30
	// chaosLimit is how long a round may take to converge: many times what the slowest
	// single thing takes (a redial, an inventory that comes to rest).
	chaosLimit = product.Patience
)

// chaos is a story of accidents. All that it does follows from the seed, as far as
// the machine's timing does not decide.
type chaos struct {
	*testing.T
	seed    uint64
	rng     *rand.Rand
	p       deployment
	servers []*ovsdbd.Server
	witness []*witness
	up      []bool // a server that is down or stands still is let alone
	still   []bool
	world   chaosWorld
	ids     map[string]string // of gateways by name, of connections by gateway and network
	outcome []outcome         // what the product may know by now; the first is the world's
	client  *http.Client
	limit   time.Duration // how long a round may take to converge

	faults       map[string]int // by kind
	acknowledged int            // requests
	unanswered   int
	names, hands int
	moves        map[string]int // of each learned MAC
}

func option(t *testing.T, name string, otherwise uint64) uint64 {
	text := os.Getenv(name)
	if text == "" {
		return otherwise
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		t.Fatalf("%s=%q: it must be a whole number", name, text)
	}
	return n
}

// Whatever happens, and in whatever order: when it is over, the switches hold
// exactly what is wanted, nothing foreign was touched, no rule of order was
// broken on the way, and nothing that was acknowledged is forgotten.
//
// L2GW_CHAOS_ROUNDS makes it longer, L2GW_CHAOS_SEED another story.
func TestAfterAnyAccidentsTheSwitchesHoldExactlyWhatIsWanted(t *testing.T) {
	seed := option(t, "L2GW_CHAOS_SEED", 1)
	rounds := int(option(t, "L2GW_CHAOS_ROUNDS", defaultChaosRounds))
	c := newChaos(t, seed)
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("this story is L2GW_CHAOS_SEED=%d L2GW_CHAOS_ROUNDS=%d", seed, rounds)
		}
	})
	for i := range c.world.databases {
		c.addDatabase(i, ovsdbd.Options{})
	}
	var databases []string
	for i, s := range c.servers {
		databases = append(databases, fmt.Sprintf("db%d:%s", i, s.TCP))
	}
	c.p = &whole{product.Start(c, c.world.inventory.yaml(), databases...)}
	for round := range rounds {
		c.Logf("round %d", round)
		// After many accidents each mends what another spoiled; a single one shows
		// whether it is heard of at all.
		accidents := 1
		if c.rng.IntN(2) == 0 {
			accidents = 4 + c.rng.IntN(12)
		}
		for range accidents {
			c.accident()
		}
		c.recover()
		c.converge()
		if c.Failed() {
			return
		}
	}
}

func newChaos(t *testing.T, seed uint64) *chaos {
	c := &chaos{
		T: t, seed: seed, rng: rand.New(rand.NewPCG(seed, 0)), ids: map[string]string{}, moves: map[string]int{}, faults: map[string]int{},
		client: http.DefaultClient, limit: chaosLimit,
	}
	c.world = chaosWorld{
		intent: intent{map[string][]product.Device{}, map[chaosConnection]string{}},
		inventory: chaosInventory{
			networks: map[string]chaosNetwork{}, vteps: map[string]string{}, ports: map[string]chaosPort{},
		},
		databases: []*chaosDatabase{
			{tunnel: map[string]string{"ps1": "10.77.0.1", "ps2": "10.77.0.2"}, ports: []string{"eth1", "eth2"}},
			{tunnel: map[string]string{"ps3": "10.77.0.3"}, ports: []string{"eth1", "eth2"}},
		},
	}
	for i := range 4 {
		c.world.inventory.networks[fmt.Sprintf("%08x-0000-4000-8000-000000000000", i+1)] = chaosNetwork{name: fmt.Sprintf("net-%d", i), vni: 5001 + i}
		c.world.inventory.vteps[fmt.Sprintf("compute-%d", i)] = fmt.Sprintf("10.77.1.%d", i+1)
	}
	for range 20 {
		c.addPort()
	}
	c.outcome = []outcome{{intent: c.world.intent}}
	return c
}

// addDatabase starts the switches of database i, and its witness.
func (c *chaos) addDatabase(i int, o ovsdbd.Options) {
	s := ovsdbd.Start(c, o)
	c.servers, c.up, c.still = append(c.servers, s), append(c.up, true), append(c.still, false)
	c.fill(i)
	c.witness = append(c.witness, startWitness(c, s))
}

// fill is what a new switch has, and what somebody else put there.
func (c *chaos) fill(i int) {
	s, db := c.servers[i], c.world.databases[i]
	for _, device := range slices.Sorted(maps.Keys(db.tunnel)) {
		addSwitch(s, device, db.tunnel[device], db.ports...)
	}
	s.Transact("hardware_vtep", `
		{"op":"insert","table":"Logical_Switch","uuid-name":"ls","row":{"name":"`+theirs+`","tunnel_key":7000}},
		{"op":"mutate","table":"Physical_Port","where":[["name","==","eth1"]],"mutations":[["vlan_bindings","delete",["set",[7]]],["vlan_bindings","insert",["map",[[7,["named-uuid","ls"]]]]]]},
		{"op":"insert","table":"Physical_Locator","uuid-name":"l","row":{"encapsulation_type":"vxlan_over_ipv4","dst_ip":"10.77.0.99"}},
		{"op":"insert","table":"Physical_Locator_Set","uuid-name":"set","row":{"locators":["named-uuid","l"]}},
		{"op":"insert","table":"Mcast_Macs_Remote","row":{"MAC":"unknown-dst","logical_switch":["named-uuid","ls"],"locator_set":["named-uuid","set"]}},
		{"op":"insert","table":"Ucast_Macs_Remote","row":{"MAC":"02:00:00:00:00:07","logical_switch":["named-uuid","ls"],"locator":["named-uuid","l"],"ipaddr":"10.7.0.7"}},`+c.signature())
	db.foreign = map[string]string{}
	for device := range db.tunnel {
		db.foreign[device+"/eth1/7"] = theirs
	}
}

func (c *chaos) accident() {
	c.pause(80)
	kinds := []struct {
		weight int
		do     func()
	}{
		{50, func() { c.send(c.anyRequest()) }},
		{20, c.editInventory},
		{20, c.damage},
		{20, c.learnSomething},
		{16, c.breakSwitch},
		{c.p.weight(), func() { c.p.harm(c) }},
		{4, c.blinkNetwork},
	}
	sum := 0
	for _, k := range kinds {
		sum += k.weight
	}
	n := c.rng.IntN(sum)
	for _, k := range kinds {
		if n -= k.weight; n < 0 {
			k.do()
			return
		}
	}
}

// fault counts one.
func (c *chaos) fault(kind string) { c.faults[kind]++ }

// pause lets the product get on by chance.
func (c *chaos) pause(most int) { time.Sleep(time.Duration(c.rng.IntN(most)) * time.Millisecond) }

func pick[T any](c *chaos, from []T) T { return from[c.rng.IntN(len(from))] }

// pickKey picks by the order of the keys, so that the seed decides.
func pickKey[V any](c *chaos, from map[string]V) string {
	return pick(c, slices.Sorted(maps.Keys(from)))
}

func (c *chaos) name(prefix string) string {
	c.names++
	return fmt.Sprintf("%s-%d", prefix, c.names)
}

// request is a call of the API and what it does to the intent if it is taken.
type request struct {
	method, path string
	body         any
	effect       func(intent)
}

var errNoAnswer = errors.New("the answer was lost")

// call sends a request and returns the answer's status.
func (c *chaos) call(r request) (int, product.Object, error) { return c.callAt(c.p.url(c), r) }

func (c *chaos) callAt(url string, r request) (int, product.Object, error) {
	var body io.Reader
	if r.body != nil {
		b, err := json.Marshal(r.body)
		if err != nil {
			c.Fatal(err)
		}
		body = bytes.NewReader(b)
	}
	req, err := http.NewRequest(r.method, url+r.path, body)
	if err != nil {
		c.Fatal(err)
	}
	resp, err := c.client.Do(req)
	if err != nil {
		return 0, nil, fmt.Errorf("%w: %w", errNoAnswer, err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, nil, fmt.Errorf("%w: %w", errNoAnswer, err)
	}
	out := product.Object{}
	_ = json.Unmarshal(b, &out)
	return resp.StatusCode, out, nil
}

// send sends a request, takes note if it is acknowledged, and learns the ids of what there is then.
func (c *chaos) send(r *request) {
	if len(c.outcome) > 0 && len(c.outcome[0].pending) >= mostPending {
		return
	}
	status, out, err := c.call(*r)
	c.Logf("%s %s %v: %d %v", r.method, r.path, r.body, status, err)
	switch {
	case err != nil || status == http.StatusServiceUnavailable && c.p.mayFail():
		c.maybe(r)
	case status < 300:
		c.surely(r)
	case status >= 500:
		c.Errorf("%s %s: %d %v", r.method, r.path, status, out)
	}
	if _, err := c.readIDs(); err != nil && !c.p.mayFail() {
		c.Fatal(err)
	}
}

func (c *chaos) anyRequest() *request {
	gateways := slices.Sorted(maps.Keys(c.world.intent.Gateways))
	connections := slices.SortedFunc(maps.Keys(c.world.intent.Connections), func(a, b chaosConnection) int {
		return strings.Compare(a.Gateway+a.Network, b.Gateway+b.Network)
	})
	n := c.rng.IntN(100)
	switch {
	case len(gateways) < 3 || n < 15:
		return c.createGateway()
	case n < 50 || len(connections) == 0:
		return c.connect(pick(c, gateways))
	case n < 70:
		return c.changeGateway(pick(c, gateways))
	case n < 75:
		g := pick(c, gateways)
		return &request{"DELETE", "/v2.0/l2-gateways/" + c.ids[g], nil, func(i intent) { delete(i.Gateways, g) }}
	default:
		x := pick(c, connections)
		return &request{"DELETE", "/v2.0/l2-gateway-connections/" + c.ids[x.Gateway+x.Network], nil, func(i intent) { delete(i.Connections, x) }}
	}
}

// device is one with interfaces; now and then the switch or the port does not exist.
func (c *chaos) device(name string, own bool) product.Device {
	d := product.Device{Name: name}
	for _, port := range []string{"eth1", "eth2", "eth9"} {
		if port == "eth9" && c.rng.IntN(12) > 0 || c.rng.IntN(3) == 0 && len(d.Interfaces) > 0 {
			continue
		}
		f := product.Interface{Name: port}
		if own {
			f.VLANs = []int{100 + c.rng.IntN(3), 200 + c.rng.IntN(3)}
		}
		d.Interfaces = append(d.Interfaces, f)
	}
	return d
}

func describeDevices(devices []product.Device) (list []product.Object) {
	for _, d := range devices {
		var ports []product.Object
		for _, i := range d.Interfaces {
			o := product.Object{"name": i.Name}
			if len(i.VLANs) > 0 {
				o["segmentation_id"] = i.VLANs
			}
			ports = append(ports, o)
		}
		list = append(list, product.Object{"device_name": d.Name, "interfaces": ports})
	}
	return list
}

func (c *chaos) createGateway() *request {
	name, own := c.name("gw"), c.rng.IntN(3) == 0
	var devices []product.Device
	for _, d := range []string{"ps1", "ps2", "ps3", "ps9"} {
		if d == "ps9" && c.rng.IntN(8) > 0 || c.rng.IntN(2) == 0 {
			continue
		}
		devices = append(devices, c.device(d, own))
	}
	if len(devices) == 0 {
		devices = append(devices, c.device("ps1", own))
	}
	return &request{
		"POST", "/v2.0/l2-gateways",
		product.Object{"l2_gateway": product.Object{"name": name, "devices": describeDevices(devices)}},
		func(i intent) { i.Gateways[name] = devices },
	}
}

func (c *chaos) changeGateway(name string) *request {
	now := c.world.intent.Gateways[name]
	d := c.device(pick(c, []string{"ps1", "ps2", "ps3"}), len(now[0].Interfaces[0].VLANs) > 0)
	return &request{
		"PUT", "/v2.0/l2-gateways/" + c.ids[name],
		product.Object{"l2_gateway": product.Object{"devices": describeDevices([]product.Device{d})}},
		func(i intent) {
			devices := slices.Clone(i.Gateways[name])
			if at := slices.IndexFunc(devices, func(x product.Device) bool { return x.Name == d.Name }); at >= 0 {
				devices[at] = d
			} else {
				devices = append(devices, d)
			}
			i.Gateways[name] = devices
		},
	}
}

func (c *chaos) connect(gateway string) *request {
	network, vlan := pickKey(c, c.world.inventory.networks), ""
	x := product.Object{"l2_gateway_id": c.ids[gateway], "network_id": network}
	if len(c.world.intent.Gateways[gateway][0].Interfaces[0].VLANs) == 0 {
		vlan = pick(c, []string{"0", "7", "10", "11", "12", "13"})
		x["segmentation_id"] = vlan
	}
	return &request{
		"POST", "/v2.0/l2-gateway-connections",
		product.Object{"l2_gateway_connection": x},
		func(i intent) { i.Connections[chaosConnection{gateway, network}] = vlan },
	}
}

// readIDs finds out the ids of all that there is.
func (c *chaos) readIDs() (intent, error) {
	got := intent{map[string][]product.Device{}, map[chaosConnection]string{}}
	names := map[string]string{}
	gateways, err := c.list("/v2.0/l2-gateways", "l2_gateways")
	if err != nil {
		return got, err
	}
	for _, g := range gateways {
		name, id := g["name"].(string), g["id"].(string)
		names[id], c.ids[name] = name, id
		got.Gateways[name] = readDevices(g["devices"])
	}
	connections, err := c.list("/v2.0/l2-gateway-connections", "l2_gateway_connections")
	if err != nil {
		return got, err
	}
	for _, o := range connections {
		k := chaosConnection{names[o["l2_gateway_id"].(string)], o["network_id"].(string)}
		c.ids[k.Gateway+k.Network] = o["id"].(string)
		vlan := ""
		if v := o["segmentation_id"]; v != nil {
			vlan = fmt.Sprint(v)
		}
		got.Connections[k] = vlan
	}
	return got, nil
}

// list reads a collection.
func (c *chaos) list(path, key string) (all []product.Object, err error) {
	status, out, err := c.call(request{method: "GET", path: path})
	if err != nil {
		return nil, err
	}
	if status != http.StatusOK {
		return nil, fmt.Errorf("GET %s: %d %v", path, status, out)
	}
	for _, x := range out[key].([]any) {
		all = append(all, x.(product.Object))
	}
	return all, nil
}

func readDevices(v any) (devices []product.Device) {
	for _, x := range v.([]any) {
		o := x.(product.Object)
		d := product.Device{Name: o["device_name"].(string)}
		for _, y := range o["interfaces"].([]any) {
			i := y.(product.Object)
			f := product.Interface{Name: i["name"].(string)}
			if list, ok := i["segmentation_id"].([]any); ok {
				for _, v := range list {
					n, _ := strconv.Atoi(fmt.Sprint(v))
					f.VLANs = append(f.VLANs, n)
				}
			}
			d.Interfaces = append(d.Interfaces, f)
		}
		devices = append(devices, d)
	}
	return devices
}

func sortedIntent(i intent) intent {
	i = i.clone()
	for name, devices := range i.Gateways {
		devices = slices.Clone(devices)
		for k := range devices {
			devices[k].Interfaces = slices.SortedFunc(slices.Values(devices[k].Interfaces), func(a, b product.Interface) int {
				return strings.Compare(a.Name, b.Name)
			})
		}
		slices.SortFunc(devices, func(a, b product.Device) int { return strings.Compare(a.Name, b.Name) })
		i.Gateways[name] = devices
	}
	return i
}

// recover brings everything back that is away.
func (c *chaos) recover() {
	for i := range c.servers {
		c.bringUp(i)
	}
	c.p.WriteInventory(c.world.inventory.yaml())
	c.p.heal(c)
}

// converge waits until all is as the model says.
func (c *chaos) converge() {
	deadline := time.Now().Add(c.limit)
	for {
		err := c.settleIntent()
		if err == nil {
			err = c.compare()
		}
		if err == nil {
			break
		}
		if time.Now().After(deadline) {
			c.Fatalf("after %v it is not as it should be: %v", c.limit, err)
		}
		c.p.wait(c)
	}
	for _, w := range c.witness {
		w.calm()
		if w.accused() {
			c.Error("a rule was broken on the way")
		}
	}
	if log := c.p.Log(); strings.Contains(log, "DATA RACE") || strings.Contains(log, "panic:") {
		c.Error("the product's log tells of a race or a panic")
	}
}

// compare says what is not yet as it should be.
func (c *chaos) compare() error {
	claims := c.claims()
	for i, s := range c.servers {
		want, got := c.world.want(i, claims), read(c, s)
		c.forgive(claims, &got)
		if diff := cmp.Diff(want, got); diff != "" {
			return fmt.Errorf("db%d (-want +got):\n%s", i, diff)
		}
	}
	if err := c.compareStatus(claims); err != nil {
		return err
	}
	_, stderr, code := commandLineOf(c, c.p.url(c)).try("validate")
	if code > 1 || code == 1 && c.world.faultless() {
		return fmt.Errorf("l2gw validate: %d %s", code, stderr)
	}
	return nil
}

// forgive leaves out learned MACs that no switch claims any more: they may stay for a while.
func (c *chaos) forgive(claims [][]claim, got *contents) {
	for key := range got.Unicast {
		id, mac, _ := strings.Cut(key, " ")
		claimed := slices.ContainsFunc(slices.Concat(claims...), func(x claim) bool { return x.network == id && x.mac == mac })
		if c.moves[mac] > 0 && !claimed && c.world.inventory.ports[mac].network != id {
			delete(got.Unicast, key)
		}
	}
}

func (c *chaos) compareStatus(claims [][]claim) error {
	want := map[chaosBinding]string{}
	for _, b := range c.world.intent.bindings() {
		want[b] = c.world.status(b, claims)
	}
	for k := range c.world.intent.Connections {
		_, out, err := c.call(request{method: "GET", path: "/v2.0/l2-gateway-connections/" + c.ids[k.Gateway+k.Network]})
		if err != nil {
			return err
		}
		o, ok := out["l2_gateway_connection"].(product.Object)
		if !ok {
			return fmt.Errorf("connection %v: %v", k, out)
		}
		list, _ := o["bindings"].([]any)
		for _, x := range list {
			y := x.(product.Object)
			b := chaosBinding{fmt.Sprint(y["device_name"]), fmt.Sprint(y["interface_name"]), fmt.Sprint(y["segmentation_id"]), k.Network}
			s, ok := want[b]
			if !ok {
				return fmt.Errorf("binding %v is not wanted: %v", b, want)
			}
			if s != y["status"] && (s != "" || y["status"] != "ACTIVE" && y["status"] != "DEGRADED") {
				return fmt.Errorf("binding %v is %v (%v) and should be %s", b, y["status"], y["status_reason"], s)
			}
			delete(want, b)
		}
	}
	if len(want) > 0 {
		return fmt.Errorf("these bindings are not told of: %v", slices.SortedFunc(maps.Keys(want), compareBindings))
	}
	return nil
}

// claims are the MACs that the switches have learned. It lets each switch
// withdraw those of networks that are not bound on it any more, as switches do.
func (c *chaos) claims() [][]claim {
	all := make([][]claim, len(c.servers))
	for i, s := range c.servers {
		db := dump(c, s)
		bound := map[string]bool{} // tunnel IP and logical switch
		for _, ps := range db["Physical_Switch"].rows {
			for _, p := range elements(ps["ports"]) {
				for _, b := range pairs(db["Physical_Port"].rows[uuidOf(p)]["vlan_bindings"]) {
					bound[fmt.Sprint(optional(ps["tunnel_ips"]), uuidOf(b[1]))] = true
				}
			}
		}
		for uuid, r := range db["Ucast_Macs_Local"].rows {
			vtep := fmt.Sprint(db["Physical_Locator"].rows[uuidOf(r["locator"])]["dst_ip"])
			ls := uuidOf(r["logical_switch"])
			if !bound[vtep+ls] {
				s.Transact("hardware_vtep", `{"op":"delete","table":"Ucast_Macs_Local","where":[["_uuid","==",["uuid","`+uuid+`"]]]}`)
				continue
			}
			all[i] = append(all[i], claim{fmt.Sprint(db["Logical_Switch"].rows[ls]["name"]), r["MAC"].(string), vtep})
		}
	}
	return all
}

var uuidText = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`)

// byHand is a transaction of somebody else. It may fail, since the product
// changes the database at the same time.
func (c *chaos) byHand(i int, format string, args ...any) bool {
	ops := fmt.Sprintf(format, args...)
	out, err := exec.Command("ovsdb-client", "transact", "unix:"+c.servers[i].Socket, `["hardware_vtep",`+ops+","+c.signature()+"]").CombinedOutput()
	failed := err != nil || strings.Contains(string(out), `"error"`)
	c.Logf("by hand in db%d: %s: failed %v", i, uuidText.ReplaceAllString(ops, "…"), failed)
	if failed && !strings.Contains(string(out), "referential integrity") {
		c.Fatalf("%s: %v %s", ops, err, out)
	}
	return !failed
}

// signature is an operation by which the witness knows that it was not the product.
func (c *chaos) signature() string {
	c.hands++
	return fmt.Sprintf(`{"op":"update","table":"Global","where":[],"row":{"other_config":["map",[["hand","%d"]]]}}`, c.hands)
}
