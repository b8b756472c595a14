package policy

import (
	"fmt"

	"l2gw/internal/oslo"
)

// maxShown bounds how much of an expression an error shows.
const maxShown = 160

// RuleError is a rule that cannot be obeyed.
type RuleError struct {
	oslo.Origin        // the file and the line, or nothing: a rule of the program
	Rule        string // its name
	Check       string // its expression, or ""
	Reason      string
}

func (e *RuleError) Error() string {
	where := e.Origin.String()
	if where == "" {
		where = "built-in rules"
	}
	if e.Check == "" {
		return fmt.Sprintf("%s: rule %q: %s", where, e.Rule, e.Reason)
	}
	return fmt.Sprintf("%s: rule %q: %s: %s", where, e.Rule, shown(e.Check), e.Reason)
}

// FileError is a file that cannot be understood as a policy file.
type FileError struct {
	oslo.Origin
	Reason string
}

func (e *FileError) Error() string { return fmt.Sprintf("policy file %s: %s", e.Origin, e.Reason) }

func shown(text string) string {
	if r := []rune(text); len(r) > maxShown {
		text = string(r[:maxShown]) + "…"
	}
	return fmt.Sprintf("%q", text)
}
