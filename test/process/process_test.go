package process

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// alone is set for a test process that starts a program and is then killed.
const alone = "L2GW_TEST_PROCESS"

func TestMain(m *testing.M) {
	if os.Getenv(alone) != "" {
		p, err := Start(exec.Command("sleep", "600"))
		if err != nil {
			panic(err)
		}
		fmt.Println(p.Pid())
		select {}
	}
	os.Exit(m.Run())
}

// gone waits until there is no process of a number.
func gone(t *testing.T, pid string) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		stat, err := os.ReadFile("/proc/" + pid + "/stat")
		if err != nil || strings.Contains(string(stat), ") Z ") {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("process %s still runs: %s", pid, stat)
		}
	}
}

func TestAProgramEndsWithTheProcessThatStartedIt(t *testing.T) {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), alone+"=1")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var pid string
	if _, err := fmt.Fscan(out, &pid); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // killed
	gone(t, pid)
}

func TestWhatAProgramStartedIsKilledWithIt(t *testing.T) {
	out, written, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	cmd := exec.Command("sh", "-c", "sleep 600 & echo $!; wait")
	cmd.Stdout = written
	p, err := Start(cmd)
	written.Close()
	if err != nil {
		t.Fatal(err)
	}
	var pid string
	if _, err := fmt.Fscan(out, &pid); err != nil {
		t.Fatal(err)
	}
	if !p.Running() {
		t.Error("it does not run")
	}
	p.Kill()
	gone(t, pid)
	if p.Running() || p.Success() {
		t.Errorf("running %v, success %v", p.Running(), p.Success())
	}
	p.Kill() // does nothing
	p.Stop()
	var none *Process
	if none.Kill(); none.Running() {
		t.Error("none runs")
	}
}

func TestAPausedProgramStandsStillAtOnce(t *testing.T) {
	out, written, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	cmd := exec.Command("sh", "-c", "while :; do echo; done")
	cmd.Stdout = written
	p, err := Start(cmd)
	written.Close()
	if err != nil {
		t.Fatal(err)
	}
	defer p.Kill()
	b := make([]byte, 1<<20)
	within := func(d time.Duration) (n int) {
		if err := out.SetReadDeadline(time.Now().Add(d)); err != nil {
			t.Fatal(err)
		}
		n, _ = out.Read(b)
		return n
	}
	for range 50 {
		if within(time.Minute) == 0 {
			t.Fatal("it does not go on")
		}
		p.Pause()
		within(time.Millisecond) // what it wrote before
		if n := within(2 * time.Millisecond); n > 0 {
			t.Fatalf("it wrote %d bytes after it was paused", n)
		}
		p.Continue()
	}
}

func TestAProgramThatDoesNotStartIsAnError(t *testing.T) {
	if p, err := Start(exec.Command("/no/such/program")); err == nil {
		t.Errorf("%d", p.Pid())
	}
}

func TestPythonAnswers(t *testing.T) {
	c := Converse(t, exec.Command("/usr/bin/python3", "-c", `
import json, sys
print(json.dumps("hello"), flush=True)
for line in sys.stdin:
    question = json.loads(line)
    print(json.dumps([question]), flush=True)
    if question == "goodbye": break
`))
	var greeting string
	if err := c.Hear(&greeting); err != nil || greeting != "hello" {
		t.Errorf("%q, %v", greeting, err)
	}
	for _, question := range []string{"a\nb", "<é>", "goodbye"} {
		var answer []string
		if err := c.Ask(question, &answer); err != nil || len(answer) != 1 || answer[0] != question {
			t.Errorf("%q: %q, %v", question, answer, err)
		}
	}
	if err := c.Ask("again?", new(any)); err == nil || !strings.Contains(err.Error(), "has ended") {
		t.Errorf("a program that has ended: %v", err)
	}
}
