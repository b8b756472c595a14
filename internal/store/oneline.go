package store

import "strings"

// oneLine is an error of several lines, such as that of a connection tried at
// several addresses, in one, for logs and people.
type oneLine struct{ error }

// Error has each line once.
func (e oneLine) Error() string {
	var b strings.Builder
	seen := map[string]bool{}
	for line := range strings.Lines(e.error.Error()) {
		line = strings.TrimSpace(line)
		if line == "" || seen[line] {
			continue
		}
		switch seen[line] = true; {
		case b.Len() == 0:
		case strings.HasSuffix(b.String(), ":"):
			b.WriteString(" ")
		default:
			b.WriteString("; ")
		}
		b.WriteString(line)
	}
	return b.String()
}

// Unwrap is for errors.As and errors.Is. It returns a list so that whoever walks
// down a chain to tell it does not tell the lines again.
func (e oneLine) Unwrap() []error { return []error{e.error} }

// inOneLine returns an error that is told in one line.
func inOneLine(err error) error {
	if err == nil || !strings.Contains(err.Error(), "\n") {
		return err
	}
	return oneLine{err}
}
