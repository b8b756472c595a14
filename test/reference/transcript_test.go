package reference

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// exchange is a request of the transcripts and what the predecessor answered.
type exchange struct {
	file    string // "03"
	line    int    // of the request, in the file
	section string // the heading (####) that it stands under
	title   string

	method, target string
	headers        http.Header
	body           *string // nil: none

	status int
	answer any // decoded, nil if there is none
}

func (x exchange) String() string {
	return fmt.Sprintf("%s:%d %s: %s %s", x.file, x.line, x.title, x.method, x.target)
}

var (
	requestLine = regexp.MustCompile(`^> ([A-Z]+) (/\S*)$`)
	headerLine  = regexp.MustCompile(`^> ([A-Z][A-Za-z-]+): (.*)$`)
	statusLine  = regexp.MustCompile(`^< (\d{3}) `)
)

// readTranscript reads every exchange of a file.
func readTranscript(t *testing.T, name string) []exchange {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(string(text), "\n")
	var all []exchange
	var section, title string
	for i := 0; i < len(lines); i++ {
		switch line := lines[i]; {
		case strings.HasPrefix(line, "#### "):
			section = strings.TrimPrefix(line, "#### ")
		case strings.HasPrefix(line, "## "):
			title = strings.TrimSpace(strings.TrimPrefix(line, "## "))
		case requestLine.MatchString(line):
			x := exchange{file: name[:2], line: i + 1, section: section, title: title}
			if i, err = x.read(lines, i); err != nil {
				t.Fatalf("%s:%d: %v", name, x.line, err)
			}
			all = append(all, x)
		}
	}
	if want := len(regexp.MustCompile(`(?m)^> [A-Z]+ /`).FindAllString(string(text), -1)); len(all) != want || want == 0 {
		t.Fatalf("%s has %d requests, %d were read", name, want, len(all))
	}
	return all
}

// read reads an exchange that begins at lines[i] and returns its last line.
func (x *exchange) read(lines []string, i int) (last int, err error) {
	m := requestLine.FindStringSubmatch(lines[i])
	x.method, x.target, x.headers = m[1], m[2], http.Header{}
	for i++; strings.HasPrefix(lines[i], ">"); i++ {
		if m := headerLine.FindStringSubmatch(lines[i]); m != nil && x.body == nil {
			x.headers.Set(m[1], m[2])
			continue
		}
		if x.body != nil {
			return i, fmt.Errorf("line %d: a second body", i+1)
		}
		x.body = new(strings.TrimPrefix(strings.TrimPrefix(lines[i], ">"), " "))
	}
	status := statusLine.FindStringSubmatch(lines[i])
	if status == nil {
		return i, fmt.Errorf("line %d: no answer", i+1)
	}
	x.status, _ = strconv.Atoi(status[1])
	for i++; lines[i] != "<"; i++ {
	}
	var text []string
	for i++; i < len(lines) && !strings.HasPrefix(lines[i], "#") && !strings.HasPrefix(lines[i], ">"); i++ {
		text = append(text, lines[i])
	}
	if answer := strings.TrimSpace(strings.Join(text, "\n")); answer != "" {
		decoder := json.NewDecoder(bytes.NewReader([]byte(answer)))
		decoder.UseNumber()
		if err := decoder.Decode(&x.answer); err != nil {
			return i, fmt.Errorf("the answer is no JSON: %w", err)
		}
	}
	return i - 1, nil
}

// refusal is the type and the message of an error; both are empty if the answer is none of Neutron's.
func refusal(answer any) (typ, message string) {
	object, _ := answer.(map[string]any)
	e, _ := object["NeutronError"].(map[string]any)
	typ, _ = e["type"].(string)
	message, _ = e["message"].(string)
	return typ, message
}
