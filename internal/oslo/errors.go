package oslo

import (
	"fmt"
	"strconv"
	"strings"
)

// maxShown bounds how much of a value an error shows.
const maxShown = 80

// ParseError is a line that is no configuration.
type ParseError struct {
	File   string
	Line   int
	Text   string // the line
	Reason string
}

func (e *ParseError) Error() string {
	text := shown(e.Text)
	if secret(e.Text) {
		text = hidden
	}
	return fmt.Sprintf("%s:%d: %s: %s", e.File, e.Line, e.Reason, text)
}

// ValueError is a value that its option does not take. That of an option with a
// password is not kept.
type ValueError struct {
	Origin
	Group, Name string
	Value       string
	Reason      string // what is wrong, or what would be right
}

func (e *ValueError) Error() string {
	value := shown(e.Value)
	if secret(e.Name) {
		value = hidden
	}
	return fmt.Sprintf("%s: [%s] %s = %s: %s", e.Origin, e.Group, e.Name, value, e.Reason)
}

func shown(text string) string {
	if r := []rune(text); len(r) > maxShown {
		text = string(r[:maxShown]) + "…"
	}
	return strconv.Quote(text)
}

// hidden stands for what nobody may read.
const hidden = "(not shown)"

// secret says whether the value of an option of this name has a password in it.
func secret(name string) bool {
	name = strings.ToLower(name)
	for _, part := range []string{"password", "secret", "connection", "transport_url", "transport-url"} {
		if strings.Contains(name, part) {
			return true
		}
	}
	return false
}
