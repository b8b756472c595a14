package reference

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// object is a JSON object.
type object = map[string]any

// answer is what our server said.
type answer struct {
	status       int
	typ, message string
	header       http.Header
	body         any
}

func (a answer) String() string { return said(a.status, a.typ, a.message) }

func said(status int, typ, message string) string {
	return strings.TrimSpace(fmt.Sprintf("%d %s %q", status, typ, message))
}

// player replays transcripts against a server, one exchange after the other.
type player struct {
	t   *testing.T
	url string
	// identify turns the identity headers of an exchange into what the server believes.
	identify func(x exchange, header http.Header)
	// admin sets what an administrator sends, to see and to undo.
	admin func(http.Header)
	// made is told of a network that Neutron made.
	made func(network object)

	ids     map[string]string // the predecessor's ids to ours
	names   map[string]string // its names of projects to our projects' ids
	missing []object          // what the predecessor has and we refused

	replayed, same, differ int
	used                   map[string]bool // differences met, by place
}

var uuidPattern = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`)

// ours is a text with our ids in place of the predecessor's.
func (p *player) ours(text string) string {
	for name, id := range p.names {
		text = strings.ReplaceAll(text, `"`+name+`"`, `"`+id+`"`)
	}
	return uuidPattern.ReplaceAllStringFunc(text, func(id string) string {
		if mine, ok := p.ids[id]; ok {
			return mine
		}
		return id
	})
}

// play sends a request as it was sent then and compares the answers.
func (p *player) play(x exchange) {
	p.t.Helper()
	p.replayed++
	target := p.ours(x.target)
	before := p.remember(x, target)
	header := x.headers.Clone()
	if header.Get("Content-Type") == "None" {
		header.Del("Content-Type")
	} else if x.body != nil && header.Get("Content-Type") == "" {
		header.Set("Content-Type", "application/json")
	}
	p.identify(x, header)
	var body []byte
	if x.body != nil {
		body = []byte(p.ours(*x.body))
	}
	got := p.send(x.method, target, header, body)
	if got.header.Get("X-Openstack-Request-Id") == "" {
		p.t.Errorf("%s: the answer has no request id", x)
	}
	allowed, isAllowed := differences[fmt.Sprintf("%s:%d", x.file, x.line)]
	differs := p.compare(x, got)
	switch {
	case differs == "" && isAllowed:
		p.t.Errorf("%s: it is in the list of differences, and there is none", x)
	case differs == "":
		p.same++
	case !isAllowed:
		p.t.Errorf("%s: %s", x, differs)
	case allowed.want != "" && got.String() != p.ours(allowed.want):
		p.t.Errorf("%s: %s\nThe allowed difference is %s", x, differs, p.ours(allowed.want))
	default:
		p.differ++
		p.used[fmt.Sprintf("%s:%d", x.file, x.line)] = true
	}
	p.undo(x, got, target, before)
	if x.method == "POST" && x.target == "/v2.0/networks" && got.status == http.StatusCreated {
		p.made(got.body.(object)["network"].(object))
	}
}

// compare says how an answer differs from the predecessor's; "" if not.
func (p *player) compare(x exchange, got answer) string {
	typ, message := refusal(x.answer)
	if want := said(x.status, typ, p.ours(message)); got.status != x.status || typ != "" && got.String() != want {
		return fmt.Sprintf("%s, the predecessor said %s", got, want)
	}
	if x.status >= 300 || x.answer == nil {
		return ""
	}
	return p.compareObjects(x, got.body)
}

func (p *player) send(method, target string, header http.Header, body []byte) answer {
	p.t.Helper()
	req, err := http.NewRequest(method, p.url+target, bytes.NewReader(body))
	if err != nil {
		p.t.Fatal(err)
	}
	if body == nil {
		req.Body = http.NoBody
	}
	maps.Copy(req.Header, header)
	resp, err := http.DefaultTransport.RoundTrip(req) // which follows no redirect
	if err != nil {
		p.t.Fatalf("%s %s: %v", method, target, err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		p.t.Fatalf("%s %s: %v", method, target, err)
	}
	a := answer{status: resp.StatusCode, header: resp.Header}
	if len(text) > 0 {
		decoder := json.NewDecoder(bytes.NewReader(text))
		decoder.UseNumber()
		if err := decoder.Decode(&a.body); err != nil {
			p.t.Errorf("%s %s: the answer %q is no JSON: %v", method, target, text, err)
		}
	}
	a.typ, a.message = refusal(a.body)
	return a
}

// asAdmin sends a request of the test's own.
func (p *player) asAdmin(method, target string, body any) answer {
	p.t.Helper()
	header := http.Header{}
	p.admin(header)
	var text []byte
	if body != nil {
		text, _ = json.Marshal(body)
	}
	return p.send(method, target, header, text)
}

// remember is the gateway that a request may change.
func (p *player) remember(x exchange, target string) object {
	if x.method != http.MethodPut || x.status < 400 || !strings.HasPrefix(target, "/v2.0/l2-gateways/") {
		return nil
	}
	shown, _ := p.asAdmin("GET", target, nil).body.(object)
	gateway, _ := shown["l2_gateway"].(object)
	return gateway
}

// undo takes back what we did and the predecessor refused, so that both go on alike,
// and notes what it did and we refused.
func (p *player) undo(x exchange, got answer, target string, before object) {
	p.t.Helper()
	switch done, wasDone := got.status < 300, x.status < 300; {
	case done && !wasDone && x.method == http.MethodPost:
		for _, made := range objectsOf(got.body) {
			if a := p.asAdmin("DELETE", x.target+"/"+fmt.Sprint(made["id"]), nil); a.status != http.StatusNoContent {
				p.t.Errorf("%s: taking it back: %v", x, a)
			}
		}
	case done && !wasDone && x.method == http.MethodPut:
		now, _ := got.body.(object)["l2_gateway"].(object)
		var added []string
		for _, d := range now["devices"].([]any) {
			if name := d.(object)["device_name"].(string); !slices.ContainsFunc(before["devices"].([]any), func(o any) bool { return o.(object)["device_name"] == name }) {
				added = append(added, name)
			}
		}
		change := object{"name": before["name"], "devices": given(before["devices"])}
		if added != nil {
			change["remove_devices"] = added
		}
		if a := p.asAdmin("PUT", target, object{"l2_gateway": change}); a.status != http.StatusOK {
			p.t.Errorf("%s: taking it back: %v", x, a)
		}
	case !done && wasDone && x.method == http.MethodPost:
		p.missing = append(p.missing, objectsOf(x.answer)...)
	}
}

// given are devices as a client gives them: without an empty list of VLANs.
func given(devices any) any {
	list := devices.([]any)
	for _, d := range list {
		for _, port := range d.(object)["interfaces"].([]any) {
			if vlans := port.(object)["segmentation_id"].([]any); len(vlans) == 0 {
				delete(port.(object), "segmentation_id")
			}
		}
	}
	return list
}

// objectsOf are the objects of an answer, be it one or a list.
func objectsOf(body any) []object {
	outer, _ := body.(object)
	var all []object
	for name, inner := range outer {
		switch inner := inner.(type) {
		case object:
			all = append(all, inner)
		case []any:
			if strings.HasSuffix(name, "_links") {
				continue
			}
			for _, one := range inner {
				if o, ok := one.(object); ok {
					all = append(all, o)
				}
			}
		}
	}
	return all
}
