package process

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
	"testing"
)

// Conversation is a program that answers each line of JSON with another. It may be
// asked by several goroutines.
type Conversation struct {
	mu         sync.Mutex
	in         *json.Encoder
	out        *bufio.Reader
	process    *Process
	complaints bytes.Buffer // its stderr; it is the program's until that has ended
}

// Converse starts a program, which ends when the test does: then there is nothing more
// to read for it. It fails the test if it ends with an error.
func Converse(t testing.TB, cmd *exec.Cmd) *Conversation {
	t.Helper()
	c := &Conversation{}
	cmd.Stderr = &c.complaints
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	// Not StdoutPipe: that is closed under the reader when the program ends.
	out, written, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stdout = written
	c.process, err = Start(cmd)
	written.Close()
	if err != nil {
		t.Fatalf("%v: run `make deps`", err)
	}
	c.in, c.out = json.NewEncoder(in), bufio.NewReader(out)
	c.in.SetEscapeHTML(false)
	t.Cleanup(func() {
		in.Close()
		<-c.process.Exited()
		out.Close()
		if !c.process.Success() {
			t.Errorf("%s failed: run `make deps`?\n%s", cmd, &c.complaints)
		}
	})
	return c
}

// Ask asks a question and reads the answer, both as encoding/json has them.
func (c *Conversation) Ask(question, answer any) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.in.Encode(question); err != nil {
		return c.gone(err)
	}
	return c.hear(answer)
}

// Hear reads what the program says without being asked.
func (c *Conversation) Hear(answer any) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.hear(answer)
}

func (c *Conversation) hear(answer any) error {
	line, err := c.out.ReadBytes('\n')
	if err != nil {
		return c.gone(err)
	}
	return json.Unmarshal(line, answer)
}

// gone says why a program does not answer any more.
func (c *Conversation) gone(err error) error {
	if err == io.EOF { //nolint:errorlint // as bufio.Reader returns it
		err = io.ErrUnexpectedEOF
	}
	<-c.process.Exited()
	return fmt.Errorf("the program has ended: %w\n%s", err, &c.complaints)
}
