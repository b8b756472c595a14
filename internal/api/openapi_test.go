package api_test

import (
	"encoding/json"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"l2gw/internal/api"

	"github.com/pb33f/libopenapi/datamodel"
	"github.com/santhosh-tekuri/jsonschema/v6"
)

// openAPI is the document that the API serves, read as its clients read it.
type openAPI struct {
	raw   []byte
	paths map[string]map[string]operationObject

	mu      sync.Mutex
	schemas map[string]*jsonschema.Schema // by their place in the document
	compile *jsonschema.Compiler
}

// inventory can be embedded: Networks may have a method of its own name.
type inventory = api.Networks

type operationObject struct {
	OperationID string
	Tags        []string
	Security    []any
	Parameters  []struct {
		Name, In, Description string
		Schema                struct {
			Type  string
			Items struct {
				Type string
				Enum []string
			}
		}
	}
	RequestBody *struct{ Content map[string]mediaObject }
	Responses   map[string]responseObject
}

type responseObject struct {
	Ref     string `json:"$ref"`
	Headers map[string]any
	Content map[string]mediaObject
}

type mediaObject struct {
	Schema  any
	Example any
}

// readDocument is done once: it is the same in all tests.
var readDocument = sync.OnceValue(func() *openAPI {
	handler := api.New(api.Options{
		Store: struct{ api.Store }{}, Status: struct{ api.Status }{}, Networks: struct{ inventory }{}, Devices: struct{ api.Devices }{},
		Logger: slog.New(slog.DiscardHandler),
	})
	rec := httptest.NewRecorder()
	handler.ServeHTTP(rec, httptest.NewRequest(http.MethodGet, "/v2.0/openapi.json", nil)) //nolint:noctx // there is no test yet
	d := &openAPI{raw: rec.Body.Bytes(), paths: map[string]map[string]operationObject{}, schemas: map[string]*jsonschema.Schema{}}
	var all struct {
		Paths map[string]map[string]json.RawMessage
	}
	must(json.Unmarshal(d.raw, &all))
	for path, item := range all.Paths {
		d.paths[path] = map[string]operationObject{}
		for method, raw := range item {
			if method == "parameters" {
				continue
			}
			var op operationObject
			must(json.Unmarshal(raw, &op))
			d.paths[path][strings.ToUpper(method)] = op
		}
	}
	parsed, err := jsonschema.UnmarshalJSON(strings.NewReader(string(d.raw)))
	must(err)
	d.compile = jsonschema.NewCompiler()
	d.compile.DefaultDraft(jsonschema.Draft2020)
	d.compile.AssertFormat()
	must(d.compile.AddResource("l2gw:openapi", parsed))
	return d
})

func must(err error) {
	if err != nil {
		panic(err)
	}
}

// schemaAt is the schema at a place in the document.
func (d *openAPI) schemaAt(tokens ...string) (*jsonschema.Schema, error) {
	at := "l2gw:openapi#"
	for _, t := range tokens {
		at += "/" + pointerToken.Replace(t)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if s := d.schemas[at]; s != nil {
		return s, nil
	}
	s, err := d.compile.Compile(at)
	if err == nil {
		d.schemas[at] = s
	}
	return s, err
}

var pointerToken = strings.NewReplacer("~", "~0", "/", "~1", "%", "%25", "{", "%7B", "}", "%7D", "$", "%24")

// find is the documented path that a request is for, in any spelling, or "".
func (d *openAPI) find(target string) string {
	target, _, _ = strings.Cut(target, "?")
	for _, spelling := range []string{target, strings.TrimSuffix(target, "/"), strings.TrimSuffix(target, ".json")} {
		parts := strings.Split(spelling, "/")
		best := ""
		for path := range d.paths {
			want := strings.Split(path, "/")
			same := len(want) == len(parts) && slices.EqualFunc(want, parts, func(w, p string) bool {
				return w == p || w == strings.ReplaceAll(p, "_", "-") || strings.HasPrefix(w, "{") && p != ""
			})
			if same && (best == "" || strings.Contains(best, "{")) {
				best = path
			}
		}
		if best != "" {
			return best
		}
	}
	return ""
}

// met are the errors, the filters and the rest that all tests together saw.
var met = struct {
	sync.Mutex
	faults map[string]bool // "400 HTTPBadRequest"
	all    map[string]bool // "GET /v2.0/l2-gateways 400 HTTPBadRequest"
	ok     map[string]bool // "GET /v2.0/l2-gateways" that succeeded
}{faults: map[string]bool{}, all: map[string]bool{}, ok: map[string]bool{}}

// checkAnswer tells what of an answer is not as the document says.
func checkAnswer(t testing.TB, method, target string, rec *httptest.ResponseRecorder) {
	t.Helper()
	d := readDocument()
	path := d.find(target)
	op, documented := d.paths[path][method]
	if !documented {
		if rec.Code != http.StatusNotFound && rec.Code != http.StatusMethodNotAllowed && rec.Code < 500 && method != http.MethodOptions {
			t.Errorf("%s %s is answered with %d and not documented", method, target, rec.Code)
		}
		return
	}
	var body any
	if rec.Body.Len() > 0 {
		if err := json.Unmarshal(rec.Body.Bytes(), &body); err != nil {
			t.Errorf("%s %s: %v in %.200s", method, target, err, rec.Body)
			return
		}
	}
	status := http.StatusText(rec.Code)
	if typ := errorType(body); typ != "" {
		status = typ
	}
	key := method + " " + path
	met.Lock()
	if rec.Code < 400 {
		met.ok[key] = true
	} else {
		met.faults[strconv.Itoa(rec.Code)+" "+status] = true
		met.all[key+" "+strconv.Itoa(rec.Code)+" "+status] = true
	}
	met.Unlock()
	code := strconv.Itoa(rec.Code)
	response, known := op.Responses[code]
	if !known {
		t.Errorf("%s %s is answered with %s %s, which is not documented", method, target, code, status)
		return
	}
	place := []string{"paths", path, strings.ToLower(method), "responses", code}
	if response.Ref != "" {
		place = strings.Split(strings.TrimPrefix(response.Ref, "#/"), "/")
	}
	if rec.Body.Len() == 0 {
		return
	}
	s, err := d.schemaAt(append(place, "content", "application/json", "schema")...)
	if err != nil {
		t.Errorf("%s %s: %v", method, target, err)
		return
	}
	if err := s.Validate(body); err != nil {
		t.Errorf("%s %s %s: the answer is not as documented: %v\n%.600s", method, target, code, err, rec.Body)
	}
}

func errorType(body any) string {
	b, _ := body.(map[string]any)
	e, _ := b["NeutronError"].(map[string]any)
	typ, _ := e["type"].(string)
	return typ
}

func TestTheDocumentIsValidOpenAPI(t *testing.T) {
	official, err := jsonschema.UnmarshalJSON(strings.NewReader(datamodel.OpenAPI31SchemaData))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("official", official); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("official")
	if err != nil {
		t.Fatal(err)
	}
	document, err := jsonschema.UnmarshalJSON(strings.NewReader(string(readDocument().raw)))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Validate(document); err != nil {
		t.Errorf("%#v", err)
	}
	if err := s.Validate(map[string]any{"openapi": "3.1.0", "info": map[string]any{"title": "x"}}); err == nil {
		t.Error("the official schema lets anything pass")
	}
}

// Every schema compiles (which checks it against the meta schema of JSON Schema
// 2020-12), every reference leads somewhere, and every example is as its schema says.
func TestSchemasAndExamplesOfTheDocumentAgree(t *testing.T) {
	d := readDocument()
	examples := 0
	media := func(where string, m mediaObject, place ...string) {
		t.Helper()
		s, err := d.schemaAt(append(place, "schema")...)
		if err != nil {
			t.Errorf("%s: %v", where, err)
			return
		}
		if m.Example != nil {
			examples++
			if err := s.Validate(m.Example); err != nil {
				t.Errorf("%s: the example is not as the schema says: %v", where, err)
			}
		}
	}
	ids := map[string]bool{}
	for path, item := range d.paths {
		for method, op := range item {
			place := []string{"paths", path, strings.ToLower(method)}
			if op.OperationID == "" || ids[op.OperationID] {
				t.Errorf("%s %s: the operationId %q is missing or there twice", method, path, op.OperationID)
			}
			ids[op.OperationID] = true
			if op.RequestBody != nil {
				media(op.OperationID+" request", op.RequestBody.Content["application/json"], append(slices.Clone(place), "requestBody", "content", "application/json")...)
			}
			for code, r := range op.Responses {
				at := append(slices.Clone(place), "responses", code)
				if r.Ref != "" {
					at = strings.Split(strings.TrimPrefix(r.Ref, "#/"), "/")
				}
				if m, has := r.Content["application/json"]; has || r.Ref != "" {
					media(op.OperationID+" "+code, m, append(at, "content", "application/json")...)
				}
			}
			for i, p := range op.Parameters {
				if p.Description == "" {
					t.Errorf("%s %s: nothing is said of the parameter %s", method, path, op.Parameters[i].Name)
				}
			}
		}
	}
	if examples < 12 {
		t.Errorf("only %d examples", examples)
	}
}

// What tables say is in the document, and there is something that they say.
func TestEveryAttributeIsDescribed(t *testing.T) {
	var all struct {
		Components struct {
			Schemas map[string]struct {
				Properties map[string]map[string]any
			}
		}
	}
	if err := json.Unmarshal(readDocument().raw, &all); err != nil {
		t.Fatal(err)
	}
	for name, s := range all.Components.Schemas {
		for property, p := range s.Properties {
			if name == "NeutronError" {
				continue
			}
			if p["description"] == nil || p["description"] == "" {
				t.Errorf("%s.%s: nothing is said of it", name, property)
			}
			if p["type"] == nil && p["anyOf"] == nil && p["enum"] == nil && p["$ref"] == nil {
				t.Errorf("%s.%s: it has no schema", name, property)
			}
		}
	}
	if len(all.Components.Schemas) < 8 {
		t.Errorf("only the schemas %v", slices.Sorted(maps.Keys(all.Components.Schemas)))
	}
}

func TestTheDocumentIsPublicAndCached(t *testing.T) {
	w := newWorld(t)
	w.options.Authenticate = func(*http.Request) (api.Caller, error) { t.Error("asked who calls"); return api.Caller{}, nil }
	w.serve(w.store)
	rec := w.request("GET", "/v2.0/openapi.json", "")
	tag := rec.Header().Get("ETag")
	if rec.Code != 200 || tag == "" || rec.Header().Get("Content-Type") != "application/json" {
		t.Fatalf("%d %v", rec.Code, rec.Header())
	}
	for _, known := range []string{tag, "W/" + tag, `"x", ` + tag, "*"} {
		if again := w.request("GET", "/v2.0/openapi.json", "", "If-None-Match", known); again.Code != 304 || again.Body.Len() != 0 {
			t.Errorf("If-None-Match %s: %d with %d bytes", known, again.Code, again.Body.Len())
		}
	}
	if again := w.request("GET", "/v2.0/openapi.json", "", "If-None-Match", `"x"`); again.Code != 200 || again.Body.String() != rec.Body.String() {
		t.Errorf("another tag: %d", again.Code)
	}
	if rec := w.request("POST", "/v2.0/openapi.json", "{}"); rec.Code != 405 || rec.Header().Get("Allow") != "GET" {
		t.Errorf("POST: %d, Allow %q", rec.Code, rec.Header().Get("Allow"))
	}
}
