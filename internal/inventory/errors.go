package inventory

import (
	"errors"
	"fmt"
	"strings"
)

// ErrNoPath is returned by a file source that was not told which file to read.
var ErrNoPath = errors.New("inventory: no file is named")

// maxProblems is how many problems of one file are told at once; the rest are counted.
const maxProblems = 20

// FileError is what is wrong with an inventory file.
type FileError struct {
	Path     string
	Problems []Problem // by line; at least one, at most 20
	More     int       // how many further problems there are
}

// Problem is one thing that is wrong with an inventory file.
type Problem struct {
	Line int    // from 1; 0 if it concerns the whole file
	Text string // names the key, the value and what would be right
}

// Error has a line for each problem, in the form file:line: text.
func (e *FileError) Error() string {
	var b strings.Builder
	for i, p := range e.Problems {
		if i > 0 {
			b.WriteByte('\n')
		}
		b.WriteString(e.Path)
		if p.Line > 0 {
			fmt.Fprintf(&b, ":%d", p.Line)
		}
		b.WriteString(": ")
		b.WriteString(p.Text)
	}
	if e.More > 0 {
		fmt.Fprintf(&b, "\n%s: and %d more", e.Path, e.More)
	}
	return b.String()
}
