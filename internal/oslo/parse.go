package oslo

import (
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxFile bounds what is read of one file; nobody writes a larger one by hand.
const maxFile = 16 << 20

// assignment is one "name = value" of a file.
type assignment struct {
	section, name string // as written
	value         string
	line          int // where it begins
}

// parse reads one file by the rules of oslo.config's parser:
//
//   - A line that begins with # or ; is a comment. There are none behind a value.
//   - [section] begins a section, and every option is in one.
//   - name and value are split at the first = or :, whichever comes first, and stripped. A pair of
//     equal quotes around the value is taken off.
//   - A line that begins with white space goes on with the value above; their lines are joined by
//     newlines. A blank line or a comment ends the value, and what goes on with nothing is an error.
func parse(file string, r io.Reader) ([]assignment, error) {
	data, err := io.ReadAll(io.LimitReader(r, maxFile+1))
	if err != nil {
		return nil, err
	}
	if len(data) > maxFile {
		return nil, fmt.Errorf("%s is larger than %d bytes", file, maxFile)
	}
	text := strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(string(data))
	var (
		all     []assignment
		open    bool // the last assignment may go on
		section string
		within  bool // a section has begun
	)
	number := 0
	for line := range strings.SplitSeq(text, "\n") {
		number++
		wrong := func(reason string) error { return &ParseError{file, number, line, reason} }
		if !utf8.ValidString(line) {
			return nil, wrong("the line is not UTF-8")
		}
		line = strings.TrimRightFunc(line, isSpace)
		switch {
		case line == "":
			open = false
		case line[0] == ' ' || line[0] == '\t':
			if !open {
				return nil, wrong("a line that begins with white space goes on with the value above, and there is none")
			}
			all[len(all)-1].value += "\n" + strings.TrimLeftFunc(line, isSpace)
		case line[0] == '#' || line[0] == ';':
			open = false
		case line[0] == '[':
			open = false
			if !strings.HasSuffix(line, "]") {
				return nil, wrong("a section must end with ]")
			}
			if len(line) <= 2 {
				return nil, wrong("a section must have a name")
			}
			section, within = line[1:len(line)-1], true
		default:
			at := strings.IndexAny(line, "=:")
			if at < 0 {
				return nil, wrong("want [section], name = value, or a comment that begins with #")
			}
			name := strings.TrimFunc(line[:at], isSpace)
			if name == "" {
				return nil, wrong("an option must have a name")
			}
			if !within {
				return nil, wrong("a section, [DEFAULT] say, must begin before the first option")
			}
			all = append(all, assignment{section, name, unquote(strings.TrimFunc(line[at+1:], isSpace)), number})
			open = true
		}
	}
	return all, nil
}

// unquote takes a pair of equal quotes off. As in oslo.config, a single quote mark is its own pair.
func unquote(value string) string {
	if value == "" || value[0] != '"' && value[0] != '\'' || value[len(value)-1] != value[0] {
		return value
	}
	return value[1:max(1, len(value)-1)]
}

// isSpace is what Python's str.strip takes off.
func isSpace(r rune) bool { return unicode.IsSpace(r) || r >= 0x1c && r <= 0x1f }

// groupOf is the name that a section goes by: only [DEFAULT] has capitals.
func groupOf(section string) string {
	if section == "DEFAULT" || section == "" {
		return "DEFAULT"
	}
	return strings.ToLower(section)
}

// nameOf is how an option is written in files: always with underscores.
func nameOf(option string) string { return strings.ReplaceAll(option, "-", "_") }
