package cli

import (
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// terminal is the terminal that x is, or nil.
func terminal(x any) *os.File {
	file, ok := x.(*os.File)
	if !ok {
		return nil
	}
	if _, err := unix.IoctlGetTermios(int(file.Fd()), unix.TCGETS); err != nil {
		return nil
	}
	return file
}

// columns is how wide a terminal is, 0 if it does not say.
func columns(tty *os.File) int {
	size, err := unix.IoctlGetWinsize(int(tty.Fd()), unix.TIOCGWINSZ)
	if err != nil {
		return 0
	}
	return int(size.Col)
}

// rows is how high a terminal is, 0 if it does not say.
func rows(tty *os.File) int {
	size, err := unix.IoctlGetWinsize(int(tty.Fd()), unix.TIOCGWINSZ)
	if err != nil {
		return 0
	}
	return int(size.Row)
}

// askPassword asks for the password at the terminal, without showing it. Where there
// is none, it returns "".
func (a *app) askPassword() (string, error) {
	tty := terminal(a.env.In)
	if tty == nil {
		return "", nil
	}
	fd := int(tty.Fd())
	before, err := unix.IoctlGetTermios(fd, unix.TCGETS)
	if err != nil {
		return "", err
	}
	// Keys come one by one, those that interrupt included: a process that catches the
	// signal would go on reading.
	silent := *before
	silent.Lflag &^= unix.ECHO | unix.ICANON | unix.ISIG
	silent.Cc[unix.VMIN], silent.Cc[unix.VTIME] = 1, 0
	if err := unix.IoctlSetTermios(fd, unix.TCSETSF, &silent); err != nil {
		return "", err
	}
	defer func() { _ = unix.IoctlSetTermios(fd, unix.TCSETSF, before) }()
	_, _ = io.WriteString(a.env.Err, "Password: ")
	defer func() { _, _ = fmt.Fprintln(a.env.Err) }()
	return readSecret(tty)
}

// readSecret reads keys until the end of a line.
func readSecret(keys io.Reader) (string, error) {
	const interrupt, end, quit, backspace, remove, clear = 3, 4, 28, 8, 127, 21
	var secret []byte
	for key := make([]byte, 1); ; {
		n, err := keys.Read(key)
		if err != nil {
			return "", fmt.Errorf("the password: %w", err)
		}
		if n == 0 {
			continue
		}
		switch key[0] {
		case '\n', '\r', end:
			return string(secret), nil
		case interrupt, quit:
			return "", fmt.Errorf("interrupted")
		case backspace, remove:
			if runes := []rune(string(secret)); len(runes) > 0 {
				secret = []byte(string(runes[:len(runes)-1]))
			}
		case clear:
			secret = secret[:0]
		default:
			secret = append(secret, key[0])
		}
	}
}

// progress tells what is waited for: on a terminal in one line that is written over,
// with the time that it takes; elsewhere in a line for each change.
type progress struct {
	out   io.Writer
	tty   *os.File // nil: out is no terminal
	start time.Time
	last  string
}

func (a *app) progress() *progress { return &progress{a.env.Err, a.tty, time.Now(), ""} }

// tell says what is seen now.
func (p *progress) tell(seen string) {
	if p.tty != nil {
		line := fmt.Sprintf("%s  %s", time.Since(p.start).Truncate(time.Second), printable(seen))
		if n := columns(p.tty); n > 1 {
			line = truncate(line, n-1)
		}
		_, _ = fmt.Fprintf(p.tty, "\r\x1b[K%s", line)
	} else if seen != p.last {
		_, _ = fmt.Fprintln(p.out, seen)
	}
	p.last = seen
}

// end leaves the line.
func (p *progress) end() {
	if p.tty != nil && p.last != "" {
		_, _ = fmt.Fprintln(p.tty)
	}
}
