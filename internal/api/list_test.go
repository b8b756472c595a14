package api_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"l2gw"
)

// names lists the names that a query of the gateways shows.
func (w *world) names(query string) string {
	w.t.Helper()
	var names []string
	for _, g := range w.do(200, "GET", "/v2.0/l2-gateways"+query, "")["l2_gateways"].([]any) {
		names = append(names, fmt.Sprint(g.(map[string]any)["name"]))
	}
	return strings.Join(names, " ")
}

func listWorld(t *testing.T) (w *world, id map[string]string) {
	w = newWorld(t)
	id = map[string]string{}
	for _, name := range []string{"b", "d", "a", "e", "c"} {
		id[name] = w.gateway(name, `[{"name": "eth1"}]`)
	}
	return w, id
}

func TestListsAreFilteredSortedAndCutAsAsked(t *testing.T) {
	w, id := listWorld(t)
	for query, want := range map[string]string{
		"":                                     "b d a e c",
		"?name=a":                              "a",
		"?name=a&name=c":                       "a c",
		"?name=a&id=" + id["b"]:                "",
		"?id=" + id["b"] + "&id=" + id["e"]:    "b e",
		"?name=nosuch":                         "",
		"?tenant_id=default&project_id=nobody": "",
		"?tenant_id=default":                   "b d a e c",
		"?bogus=1":                             "b d a e c",
		"?remove_devices=x":                    "b d a e c",
		"?devices=ps1":                         "b d a e c",
		"?devices=ps2":                         "",
		"?status=ACTIVE&limit=2":               "b d",
		"?status=DOWN":                         "",
		"?revision_number=1&name=a":            "a",
		"?sort_key=name&sort_dir=asc":          "a b c d e",
		"?sort_key=name&sort_dir=desc":         "e d c b a",
		"?sort_key=status&sort_dir=asc&sort_key=name&sort_dir=desc": "e d c b a",
		"?limit=2":                   "b d",
		"?limit=0":                   "b d a e c",
		"?limit=2&marker=" + id["d"]: "a e",
		"?marker=" + id["a"]:         "e c",
		"?limit=2&page_reverse=True": "e c",
		"?limit=2&page_reverse=true&marker=" + id["e"]:                         "d a",
		"?sort_key=name&sort_dir=asc&limit=2&marker=" + id["b"]:                "c d",
		"?sort_key=status&sort_dir=asc&limit=2&marker=" + id["d"]:              "a e",
		"?status=ACTIVE&limit=2&page_reverse=True&marker=" + id["e"]:           "d a",
		"?status=ACTIVE&name=e&name=b&limit=1&marker=" + id["a"]:               "e",
		"?name=e&name=b&sort_key=name&sort_dir=asc&limit=2&marker=" + id["c"]:  "e",
		"?name=e&name=b&sort_key=name&sort_dir=desc&limit=2&marker=" + id["c"]: "b",
	} {
		if got := w.names(query); got != want {
			t.Errorf("%q shows %q, want %q", query, got, want)
		}
	}
}

func TestFieldsSelectWhatAnAnswerShows(t *testing.T) {
	w, id := listWorld(t)
	for target, want := range map[string]string{
		"?name=a&fields=name":                    `{"l2_gateways": [{"name": "a"}]}`,
		"?name=a&fields=id&fields=name":          `{"l2_gateways": [{"id": "` + id["a"] + `", "name": "a"}]}`,
		"?name=a&fields=bogus":                   `{"l2_gateways": [{}]}`,
		"?name=a&fields=&fields=name":            `{"l2_gateways": [{"name": "a"}]}`,
		"/" + id["a"] + "?fields=name&fields=id": `{"l2_gateway": {"id": "` + id["a"] + `", "name": "a"}}`,
		"/" + id["a"] + "?fields=remove_devices": `{"l2_gateway": {}}`,
	} {
		if got := w.request("GET", "/v2.0/l2-gateways"+target, "").Body.String(); got != want {
			t.Errorf("%s: %s, want %s", target, got, want)
		}
	}
}

func TestLinksLeadThroughAllPagesAndBack(t *testing.T) {
	w, id := listWorld(t)
	links := func(target string) map[string]string {
		t.Helper()
		out := map[string]string{}
		list, _ := w.do(200, "GET", target, "")["l2_gateways_links"].([]any)
		for _, l := range list {
			l := l.(map[string]any)
			out[l["rel"].(string)] = strings.TrimPrefix(l["href"].(string), "http://127.0.0.1:9696")
		}
		return out
	}
	first := "/v2.0/l2-gateways?limit=2&fields=name&fields=id"
	got := links(first)
	if want := first + "&marker=" + id["d"]; got["next"] != want {
		t.Errorf("next is %s, want %s", got["next"], want)
	}
	if want := first + "&marker=" + id["b"] + "&page_reverse=True"; got["previous"] != want {
		t.Errorf("previous is %s, want %s", got["previous"], want)
	}
	var pages []string
	target := first
	for range 10 {
		pages = append(pages, w.names(strings.TrimPrefix(target, "/v2.0/l2-gateways")))
		next, more := links(target)["next"]
		if !more {
			break
		}
		target = next
	}
	if got := strings.Join(pages, "|"); got != "b d|a e|c" {
		t.Errorf("pages forward are %s", got)
	}
	back := links(target)["previous"]
	if got := w.names(strings.TrimPrefix(back, "/v2.0/l2-gateways")); got != "a e" {
		t.Errorf("the page before the last shows %s", got)
	}
	if got := links("/v2.0/l2-gateways"); len(got) != 0 {
		t.Errorf("a whole list has the links %v", got)
	}
}

func TestLinksLeadThroughTheMACsOfADevice(t *testing.T) {
	w := newWorld(t)
	var want, got []string
	for i := range 5 {
		mac := l2gw.MAC{0xfa, 0x16, 0x3e, 0, 0, byte(i)}
		w.ctl.macs = append(w.ctl.macs, l2gw.MACEntry{NetworkID: net1, Host: l2gw.Host{MAC: mac}, Origin: l2gw.MACLearned})
		want = append(want, mac.String())
	}
	for next := "/v2.0/l2-gateway-devices/ps1/macs?limit=2"; next != "" && len(got) <= len(want); {
		body := w.do(200, "GET", next, "")
		next = ""
		for _, m := range body["macs"].([]any) {
			got = append(got, m.(map[string]any)["mac_address"].(string))
		}
		for _, l := range body["macs_links"].([]any) {
			if link := l.(map[string]any); link["rel"] == "next" {
				next = strings.TrimPrefix(link["href"].(string), "http://127.0.0.1:9696")
			}
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("the pages have %q, want %q", got, want)
	}
}

// A filter that was left out because of its form made a list of everything, from
// which scripts delete.
func TestAFilterInAnUnusualFormIsStillAFilter(t *testing.T) {
	w, _ := listWorld(t)
	w.gateway("semi;colon", `[{"name": "eth1"}]`)
	w.gateway("100%", `[{"name": "eth1"}]`)
	for query, want := range map[string]string{
		"?name=semi;colon":            "semi;colon",
		"?name=semi%3Bcolon":          "semi;colon",
		"?name=100%":                  "100%",
		"?name=%zz":                   "",
		"?name=a;name=b":              "",
		"?name":                       "",
		"?&&name=a&":                  "a",
		"?name=a&sort_key=&sort_dir=": "a",
		"?n%61me=b&name=c&sort_key=name&sort_dir=asc": "b c",
	} {
		if got := w.names(query); got != want {
			t.Errorf("%q shows %q, want %q", query, got, want)
		}
	}
}

func TestAQueryThatCannotBeAnsweredIsRefused(t *testing.T) {
	w, _ := listWorld(t)
	for query, want := range map[string][2]string{
		"?limit=abc":                            {"BadRequest", "Bad limit request: Limit must be an integer 0 or greater and not 'abc'."},
		"?limit=-1":                             {"BadRequest", "Bad limit request: Limit must be an integer 0 or greater and not '-1'."},
		"?limit=99999999999999999999":           {"BadRequest", "Bad limit request: Limit must be an integer 0 or greater and not '99999999999999999999'."},
		"?sort_key=name":                        {"HTTPBadRequest", "The number of sort_keys and sort_dirs must be same"},
		"?sort_key=bogus&sort_dir=asc":          {"HTTPBadRequest", "['bogus'] is invalid attribute for sort_keys"},
		"?sort_key=devices&sort_dir=asc":        {"HTTPBadRequest", "['devices'] is invalid attribute for sort_keys"},
		"?sort_key=name&sort_dir=sideways":      {"HTTPBadRequest", "['sideways'] is invalid value for sort_dirs, valid value is 'asc' and 'desc'"},
		"?marker=bad":                           {"InvalidInput", "Invalid input for operation: marker 'bad' could not be found."},
		"?limit=2&status=ACTIVE&marker=" + none: {"InvalidInput", "Invalid input for operation: marker '" + none + "' could not be found."},
	} {
		w.refused(400, want[0], want[1], "GET", "/v2.0/l2-gateways"+query, "")
	}
}

func TestAFilterMayHaveThousandsOfValues(t *testing.T) {
	w, id := listWorld(t)
	many := strings.Repeat("&id="+none, 5000)
	for _, query := range []string{"?id=" + id["a"] + many, "?status=ACTIVE&id=" + id["a"] + many} {
		if got := w.names(query); got != "a" {
			t.Errorf("shows %q, want %q", got, "a")
		}
	}
}

func TestConnectionsAreFoundByWhatTheyJoin(t *testing.T) {
	w := newWorld(t)
	g1, g2 := w.gateway("g1", `[{"name": "eth1"}]`), w.gateway("g2", `[{"name": "eth2", "segmentation_id": [9]}]`)
	c1, c2 := w.connection(g1, net1, "5"), w.connection(g1, net2, "6")
	c3 := w.connection(g2, net1, "")
	for query, want := range map[string][]string{
		"?id=" + c2:                               {c2},
		"?id=" + none:                             nil,
		"?network_id=" + net1:                     {c1, c3},
		"?l2_gateway_id=" + g1:                    {c1, c2},
		"?segmentation_id=5":                      {c1},
		"?segmentation_id=":                       {c3},
		"?segmentation_id=05":                     {c1},
		"?segmentation_id=05&status=BUILD":        {c1},
		"?segmentation_id=x&status=BUILD":         nil,
		"?segmentation_id=5&segmentation_id=6":    {c1, c2},
		"?status=BUILD&segmentation_id=":          {c3},
		"?bindings=ps1&network_id=" + net2:        {c2},
		"?sort_key=segmentation_id&sort_dir=desc": {c2, c1, c3},
		"?sort_key=l2_gateway_id&sort_dir=desc":   {c3, c2, c1},
		"?limit=1&fields=id&marker=" + c1:         {c2},
		"?status=BUILD&limit=1&sort_key=network_id&sort_dir=asc&marker=" + c2: {c1},
	} {
		var got []string
		for _, c := range w.do(200, "GET", connectionsPath+query, "")["l2_gateway_connections"].([]any) {
			got = append(got, c.(map[string]any)["id"].(string))
		}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%s: %v, want %v", query, got, want)
		}
	}
}
