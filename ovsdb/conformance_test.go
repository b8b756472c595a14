package ovsdb

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/txtar"

	"l2gw/test/ovsdbd"
)

// The scripts of testdata/conformance are run against this package's server and
// against Open vSwitch's, and all that the two say is compared. Each file has
// scripts of one theme; a script begins with empty databases. Its lines are
//
//	# a comment
//	schema hardware_vtep     the database is that one; otherwise it is "types"
//	a transact OPS           client a sends a transact request for the database; the reply is awaited
//	a METHOD [PARAMS]        … any other request
//	a& …                     the same; the reply is not awaited
//	a! TEXT                  client a sends the text as it stands
//	a close                  client a goes
//	a close until b METHOD   … and what client b is told of it is awaited
//
// After each line every client sends echoes and reads until they come back, so
// that what a line causes is known to have been caused by it.
//
// What has to differ is made equal first: identities that the script does not
// name, milliseconds, the order of rows and of notifications that come
// together, which of two rows with one key is named first, reals beyond 15 digits.

// differing are the scripts in which more than texts for people differs, and why.
var differing = map[string]string{
	"mutations/the lowest integer times minus one":       "Open vSwitch lets the product overflow; ours is a range error (RFC 7047 §5.1)",
	"operations/a wait is cancelled":                     "Open vSwitch cancels and does not answer; ours answers \"canceled\" (RFC 7047 §4.1.4)",
	"sessions/the second half of a surrogate pair alone": "Open vSwitch makes bytes of it that are not UTF-8; ours hangs up, as both do for the first half",
}

// differingDetails are the scripts in which the texts for people differ, and
// why. Codes, results and notifications are the same.
var differingDetails = map[string]string{}

const conformanceTimeout = 20 * time.Second

func TestServerAnswersAsOpenVSwitchDoes(t *testing.T) {
	files, err := filepath.Glob("testdata/conformance/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	scripts, compared, differ, details := 0, 0, 0, 0
	for _, file := range files {
		archive, err := txtar.ParseFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range archive.Files {
			name := strings.TrimSuffix(filepath.Base(file), ".txtar") + "/" + f.Name
			t.Run(name, func(t *testing.T) {
				scripts++
				ours, theirs := playBoth(t, string(f.Data))
				compared += theirs.messages
				why, known := differing[name]
				switch d := firstDifference(ours.codes, theirs.codes); {
				case d != "" && known:
					differ++
					t.Logf("differs, since %s", why)
					return
				case d != "":
					differ++
					t.Error(d)
					return
				case known:
					t.Error("does not differ, but is listed as differing")
				}
				why, known = differingDetails[name]
				switch d := firstDifference(ours.full, theirs.full); {
				case d != "" && known:
					details++
					t.Logf("details differ, since %s", why)
				case d != "":
					details++
					t.Errorf("details: %s", d)
				case known:
					t.Error("details are the same, but are listed as differing")
				}
			})
		}
	}
	t.Logf("%d scripts, %d messages compared, %d scripts differ, %d more in details only", scripts, compared, differ, details)
	if scripts < 80 && !testing.Short() {
		t.Errorf("only %d scripts", scripts)
	}
}

// transcript is what a server said in a script: a line for each line of the
// script and each message.
type transcript struct {
	full, codes []string // codes is without "details" and "syntax"
	messages    int
}

func firstDifference(ours, theirs []string) string {
	for i := range max(len(ours), len(theirs)) {
		a, b := "(nothing)", "(nothing)"
		if i < len(ours) {
			a = ours[i]
		}
		if i < len(theirs) {
			b = theirs[i]
		}
		if a != b {
			from := max(0, i-2)
			return fmt.Sprintf("after\n%s\nours:   %s\ntheirs: %s", strings.Join(theirs[from:min(i, len(theirs))], "\n"), a, b)
		}
	}
	return ""
}

func playBoth(t *testing.T, text string) (ours, theirs transcript) {
	t.Helper()
	db, file := "types", "testdata/conformance/types.ovsschema"
	if strings.Contains("\n"+text, "\nschema hardware_vtep\n") {
		db, file = "hardware_vtep", ovsdbd.VTEPSchema
	}
	schemaText, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	real := ovsdbd.Start(t, ovsdbd.Options{Schema: schemaText})
	theirs = play(t, "unix", real.Socket, db, text)
	addr := startServer(t, schemaText)
	ours = play(t, "tcp", addr, db, text)
	return ours, theirs
}

// startServer serves an empty database of the schema until the test ends.
func startServer(t testing.TB, schemaText []byte) (addr string) {
	t.Helper()
	schema, err := ParseSchema(schemaText)
	if err != nil {
		t.Fatal(err)
	}
	s, err := NewServer(ServerOptions{Schemas: []*Schema{schema}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	a, err := s.Listen("ptcp:0:127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	return a.String()
}

// rawClient speaks JSON-RPC and understands nothing of it.
type rawClient struct {
	net.Conn
	in     *json.Decoder
	closed bool
}

func dialRaw(t testing.TB, network, addr string) *rawClient {
	t.Helper()
	c, err := net.Dial(network, addr)
	if err != nil {
		t.Fatal(err)
	}
	return newRawClient(t, c)
}

func newRawClient(t testing.TB, c net.Conn) *rawClient {
	t.Helper()
	d := json.NewDecoder(c)
	d.UseNumber()
	t.Cleanup(func() { c.Close() })
	return &rawClient{Conn: c, in: d}
}

func (c *rawClient) send(text string) {
	_, _ = io.WriteString(c, text) // the server may have hung up, which the next read tells
}

// receive returns the next message, nil when the server has hung up.
func (c *rawClient) receive(t testing.TB) map[string]any {
	t.Helper()
	if c.closed {
		return nil
	}
	_ = c.SetReadDeadline(time.Now().Add(conformanceTimeout))
	var m map[string]any
	err := c.in.Decode(&m)
	switch {
	case err == nil:
		return m
	case errors.Is(err, os.ErrDeadlineExceeded):
		t.Fatalf("no message within %v", conformanceTimeout)
	}
	c.closed = true
	return nil
}

func play(t testing.TB, network, addr, db, text string) (out transcript) {
	t.Helper()
	clients := make(map[string]*rawClient)
	var names []string
	pen := &scribe{script: text, out: &out}
	for n, line := range strings.Split(text, "\n") {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' || strings.HasPrefix(line, "schema ") {
			continue
		}
		who, what, _ := strings.Cut(line, " ")
		name := who[:1]
		c := clients[name]
		if c == nil {
			c = dialRaw(t, network, addr)
			clients[name] = c
			names = append(names, name)
		}
		pen.line(line)
		// await reads client c's messages until one is the one looked for.
		await := func(name string, c *rawClient, is func(map[string]any) bool) {
			for !c.closed {
				m := c.receive(t)
				if m != nil && fmt.Sprint(m["id"]) == "sync" {
					if is(m) {
						return
					}
					continue
				}
				pen.say(name, m)
				if is(m) {
					return
				}
			}
		}
		switch method, params, _ := strings.Cut(what, " "); {
		case strings.HasSuffix(who, "!"):
			c.send(what)
		case method == "close":
			c.Close()
			delete(clients, name)
			names = slices.DeleteFunc(names, func(x string) bool { return x == name })
			if witness, notification, ok := strings.Cut(strings.TrimPrefix(params, "until "), " "); ok {
				await(witness, clients[witness], func(m map[string]any) bool { return m["method"] == notification })
			}
		default:
			if method == "transact" && !strings.HasPrefix(params, "[") {
				params = fmt.Sprintf("[%q,%s]", db, params)
			}
			id := strconv.Itoa(n + 1)
			c.send(fmt.Sprintf(`{"method":%q,"params":%s,"id":%s}`, method, params, id))
			if !strings.HasSuffix(who, "&") {
				await(name, c, func(m map[string]any) bool { return fmt.Sprint(m["id"]) == id && m["method"] == nil })
			}
		}
		for range 3 { // what one client is told may make another be told
			for _, name := range names {
				c := clients[name]
				c.send(`{"method":"echo","params":[],"id":"sync"}`)
				await(name, c, func(m map[string]any) bool { return m["id"] == "sync" })
			}
		}
		pen.flush()
	}
	return out
}

// scribe writes a transcript, in a form that is the same for equal servers.
type scribe struct {
	script string
	out    *transcript
	said   map[string][]utterance // by client, since the last line
}

type utterance struct {
	full, codes  string
	notification bool
}

func (s *scribe) line(l string) {
	s.out.full = append(s.out.full, l)
	s.out.codes = append(s.out.codes, l)
	s.said = make(map[string][]utterance)
}

func (s *scribe) say(client string, m map[string]any) {
	s.out.messages++
	u := utterance{full: client + " < hangs up"}
	u.codes = u.full
	if m != nil {
		u.full = client + " < " + s.text(m)
		u.codes = client + " < " + s.text(withoutDetails(m))
		u.notification = m["method"] != nil
	}
	s.said[client] = append(s.said[client], u)
}

// flush writes what the clients were told, in the order in which each was told,
// but for notifications that came together.
func (s *scribe) flush() {
	for _, client := range slices.Sorted(maps.Keys(s.said)) {
		told := s.said[client]
		for i := 0; i < len(told); {
			j := i
			for j < len(told) && told[j].notification {
				j++
			}
			slices.SortFunc(told[i:j], func(a, b utterance) int { return strings.Compare(a.full, b.full) })
			i = max(j, i+1)
		}
		for _, u := range told {
			s.out.full = append(s.out.full, u.full)
			s.out.codes = append(s.out.codes, u.codes)
		}
	}
}

func withoutDetails(v any) any {
	switch v := v.(type) {
	case map[string]any:
		out := make(map[string]any)
		_, isError := v["error"].(string)
		for k, x := range v {
			if !isError || k != "details" && k != "syntax" {
				out[k] = withoutDetails(x)
			}
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, x := range v {
			out[i] = withoutDetails(x)
		}
		return out
	}
	return v
}

var (
	uuidPattern         = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`)
	millisecondsPattern = regexp.MustCompile(`after \d+ ms`)
	twoRowsPattern      = regexp.MustCompile(`First row, with UUID (.*?\.)  Second row, with UUID (.*?\.)$`)
)

// text writes JSON with all that may differ made equal.
func (s *scribe) text(v any) string {
	switch v := v.(type) {
	case map[string]any:
		members := make([]string, 0, len(v))
		for _, k := range slices.Sorted(maps.Keys(v)) {
			x := v[k]
			if rows, ok := x.([]any); ok && k == "rows" {
				members = append(members, `"rows":`+s.list(rows, true))
				continue
			}
			if k == "schema" || k == "syntax" || k == "result" { // JSON texts within strings
				if str, ok := x.(string); ok && json.Valid([]byte(str)) {
					x = decodeNumbers(str)
				}
			}
			members = append(members, s.text(k)+":"+s.text(x))
		}
		slices.Sort(members)
		return "{" + strings.Join(members, ",") + "}"
	case []any:
		if len(v) == 2 && v[0] == "set" {
			if elements, ok := v[1].([]any); ok {
				return `["set",` + s.list(elements, strings.Contains(s.list(elements, false), "<uuid>")) + `]`
			}
		}
		return s.list(v, false)
	case json.Number:
		if f, err := v.Float64(); err == nil && strings.ContainsAny(v.String(), ".eE") {
			return strconv.FormatFloat(f, 'g', 15, 64)
		}
		return v.String()
	case string:
		v = uuidPattern.ReplaceAllStringFunc(v, func(u string) string {
			if strings.Contains(s.script, u) || u == (UUID{}).String() {
				return u
			}
			return "<uuid>"
		})
		if rows := twoRowsPattern.FindStringSubmatchIndex(v); rows != nil {
			two := []string{v[rows[2]:rows[3]], v[rows[4]:rows[5]]}
			slices.Sort(two)
			v = v[:rows[0]] + "Two rows: " + strings.Join(two, " ")
		}
		return strconv.Quote(millisecondsPattern.ReplaceAllString(v, "after N ms"))
	}
	return fmt.Sprint(v)
}

func (s *scribe) list(v []any, sorted bool) string {
	elements := make([]string, len(v))
	for i, x := range v {
		elements[i] = s.text(x)
	}
	if sorted {
		slices.Sort(elements)
	}
	return "[" + strings.Join(elements, ",") + "]"
}

func decodeNumbers(text string) (v any) {
	d := json.NewDecoder(bytes.NewReader([]byte(text)))
	d.UseNumber()
	_ = d.Decode(&v) // the text is valid
	return v
}
