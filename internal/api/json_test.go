package api_test

import (
	"strings"
	"testing"
	"time"
)

func TestABodyThatLeavesSomethingToChanceIsRefused(t *testing.T) {
	w := newWorld(t)
	const cannot = "Cannot understand JSON."
	for name, c := range map[string][2]string{
		"a key given twice":          {`{"l2_gateway": {"name": "a", "name": "b"}}`, "the key 'name' is given twice in one object."},
		"the same key, escaped":      {`{"l2_gateway": {"name": "a", "n\u0061me": "b"}}`, "the key 'name' is given twice in one object."},
		"a key given twice far down": {`{"l2_gateway": {"devices": [{"interfaces": [{"x": 1, "x": 1}]}]}}`, "the key 'x' is given twice in one object."},
		"half a surrogate pair":      {`{"l2_gateway": {"name": "\ud800"}}`, `a \u escape is half of a surrogate pair.`},
		"the other half":             {`{"l2_gateway": {"name": "\udc00"}}`, `a \u escape is half of a surrogate pair.`},
		"two first halves":           {`{"l2_gateway": {"name": "\ud800\ud800"}}`, `a \u escape is half of a surrogate pair.`},
		"half a pair and a newline":  {`{"l2_gateway": {"name": "\ud800\n"}}`, `a \u escape is half of a surrogate pair.`},
		"33 levels":                  {strings.Repeat("[", 33) + strings.Repeat("]", 33), "it is nested more than 32 levels deep."},
		"ten thousand levels":        {strings.Repeat(`{"a":[`, 5000), "it is nested more than 32 levels deep."},
		"a byte order mark":          {"\ufeff{}", cannot},
		"not UTF-8":                  {"{\"\xc3\x28\": 1}", cannot},
		"UTF-16":                     {"{\x00}\x00", cannot},
		"NUL as it is":               {"{\"a\": \"\x00\"}", cannot},
		"NaN":                        {`{"l2_gateway": NaN}`, cannot},
		"Infinity":                   {`{"l2_gateway": -Infinity}`, cannot},
		"a number as a key":          {`{1: 2}`, cannot},
		"an octal number":            {`{"a": 012}`, cannot},
		"a plus":                     {`{"a": +1}`, cannot},
		"a comma too many":           {`{"a": [1,]}`, cannot},
		"a comment":                  {`{} // x`, cannot},
		"two values":                 {`{} {}`, cannot},
		"single quotes":              {`{'a': 1}`, cannot},
		"half an escape":             {`{"a": "\u12"}`, cannot},
		"an escape at the end":       {`"\`, cannot},
	} {
		t.Run(name, func(t *testing.T) {
			w := *w
			w.t = t
			w.refused(400, "MalformedRequestBody", "Malformed request body: "+c[1], "POST", "/v2.0/l2-gateways", c[0])
		})
	}
}

func TestWhatOnlyLooksOddInABodyIsTaken(t *testing.T) {
	w := newWorld(t)
	got := w.do(201, "POST", "/v2.0/l2-gateways", ` {"l2_gateway": {"name": "\ud83d\ude00 \\ud800 [[[{{{ \"", "devices": [{"device_name": "ps1", "interfaces": [{"name": "eth1", "x": [[[[]]]]}]}]}} `)
	if name := got["l2_gateway"].(map[string]any)["name"]; name != `😀 \ud800 [[[{{{ "` {
		t.Errorf("name is %q", name)
	}
}

func TestABodyIsNotJudgedByItsTypeButMustNotBeCompressed(t *testing.T) {
	w := newWorld(t)
	body := `{"l2_gateway": {"devices": [{"device_name": "ps1", "interfaces": [{"name": "eth1"}]}]}}`
	for _, kind := range []string{"text/plain", "application/json; charset=utf-8", "application/x-www-form-urlencoded", "nonsense"} {
		w.do(201, "POST", "/v2.0/l2-gateways", body, "Content-Type", kind)
	}
	w.do(201, "POST", "/v2.0/l2-gateways", body, "Content-Encoding", "identity")
	for _, encoding := range []string{"gzip", "deflate, gzip", "br"} {
		got := w.do(415, "POST", "/v2.0/l2-gateways", body, "Content-Encoding", encoding)
		if typ := got["NeutronError"].(map[string]any)["type"]; typ != "HTTPUnsupportedMediaType" {
			t.Errorf("%s: %v", encoding, typ)
		}
	}
}

func TestDeepNestingIsCheapToRefuse(t *testing.T) {
	w := newWorld(t)
	body := strings.Repeat("[", 1<<20)
	fastest := time.Hour // a busy machine is slow now and then
	for range 20 {
		began := time.Now()
		if rec := w.request("POST", "/v2.0/l2-gateways", body); rec.Code != 400 {
			t.Fatalf("%d", rec.Code)
		}
		fastest = min(fastest, time.Since(began))
	}
	if fastest > 100*time.Millisecond { // it takes 1 or 2
		t.Errorf("a megabyte of brackets takes %s", fastest)
	}
}

func TestTooManyParametersAndPathsThatAreTooLongAreRefused(t *testing.T) {
	w := newWorld(t)
	for _, target := range []string{"/v2.0/l2-gateways?" + strings.Repeat("a=1&", 10_001), "/v2.0/l2-gateways/" + strings.Repeat("x", 9000)} {
		if rec := w.request("GET", target, ""); rec.Code != 414 || !strings.Contains(rec.Body.String(), `"HTTPURITooLong"`) {
			t.Errorf("%.40s: %d %.200s", target, rec.Code, rec.Body)
		}
	}
}

func TestOptionsAreAnsweredAsAReadingIs(t *testing.T) {
	w := newWorld(t)
	id := w.gateway("gw", `[{"name": "eth1"}]`)
	for _, path := range []string{"/v2.0/l2-gateways", "/v2.0/l2-gateways/" + id, "/", "/v2.0/openapi.json"} {
		get, options := w.request("GET", path, ""), w.request("OPTIONS", path, "")
		if options.Code != 200 || options.Body.String() != get.Body.String() {
			t.Errorf("%s: %d %s", path, options.Code, options.Body)
		}
	}
}
