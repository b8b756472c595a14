package oslo

import (
	"fmt"
	"strconv"
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
	return fmt.Sprintf("%s:%d: %s: %s", e.File, e.Line, e.Reason, shown(e.Text))
}

// ValueError is a value that its option does not take.
type ValueError struct {
	Origin
	Group, Name string
	Value       string
	Reason      string // what is wrong, or what would be right
}

func (e *ValueError) Error() string {
	return fmt.Sprintf("%s: [%s] %s = %s: %s", e.Origin, e.Group, e.Name, shown(e.Value), e.Reason)
}

func shown(text string) string {
	if r := []rune(text); len(r) > maxShown {
		text = string(r[:maxShown]) + "…"
	}
	return strconv.Quote(text)
}
