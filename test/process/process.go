package process

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Process is a running program, and those that it started. A nil one has ended.
type Process struct {
	cmd    *exec.Cmd
	exited chan struct{}
}

// Start starts a program in a process group of its own. It is killed when this process
// ends (prctl(2), PR_SET_PDEATHSIG), and not by the interrupt of a terminal.
func Start(cmd *exec.Cmd) (*Process, error) {
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Setpgid, cmd.SysProcAttr.Pdeathsig = true, syscall.SIGKILL
	p := &Process{cmd, make(chan struct{})}
	started := make(chan error)
	go func() {
		// The parent of whose death the kernel tells is a thread: this one lives as long
		// as the program.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		defer close(p.exited)
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait() // State says how it ended
		}
	}()
	if err := <-started; err != nil {
		return nil, err
	}
	return p, nil
}

// Pid is the process id.
func (p *Process) Pid() int { return p.cmd.Process.Pid }

// Exited is closed when the program has ended and all that it wrote is where it goes.
func (p *Process) Exited() <-chan struct{} { return p.exited }

// Running reports whether the program has not ended.
func (p *Process) Running() bool {
	if p == nil {
		return false
	}
	select {
	case <-p.exited:
		return false
	default:
		return true
	}
}

// Success reports whether a program that has ended did so with exit status 0.
func (p *Process) Success() bool { return p.cmd.ProcessState.Success() }

// Signal sends a signal to the program alone, such as SIGHUP.
func (p *Process) Signal(sig syscall.Signal) {
	if p.Running() { // otherwise its number may be another's
		_ = p.cmd.Process.Signal(sig)
	}
}

// Pause stops the program alone where it stands, until [Process.Continue].
func (p *Process) Pause() {
	if p.Running() {
		Pause(p.Pid())
	}
}

// Continue lets a paused program go on as if no time had passed.
func (p *Process) Continue() { p.Signal(syscall.SIGCONT) }

// Pause stops a process where it stands (SIGSTOP). When it returns, all threads stand
// still: what is told to the process from then on, it does not answer.
func Pause(pid int) {
	_ = syscall.Kill(pid, syscall.SIGSTOP)
	for !still(pid) {
		time.Sleep(time.Millisecond)
	}
}

// still reports whether no thread of a process runs.
func still(pid int) bool {
	for _, state := range stats(fmt.Sprintf("/proc/%d/task/*/stat", pid)) {
		if !strings.Contains("TtZX", state[0]) {
			return false
		}
	}
	return true
}

// stats are the fields of files of proc(5) from the state on: state, parent, group….
// What ends meanwhile has none.
func stats(pattern string) (all [][]string) {
	files, _ := filepath.Glob(pattern) // the patterns are right
	for _, file := range files {
		stat, err := os.ReadFile(file)
		if err != nil {
			continue
		}
		// The name before them, in parentheses, may hold anything.
		all = append(all, strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:])))
	}
	return all
}

// Stop asks the program to end (SIGTERM) and waits until it has.
func (p *Process) Stop() {
	if p.Running() {
		p.Signal(syscall.SIGTERM)
		<-p.exited
	}
}

// StopWithin asks the program to end, and kills what is left of it and of its group
// then, or when it takes longer.
func (p *Process) StopWithin(patience time.Duration) {
	if p.Running() {
		p.Signal(syscall.SIGTERM)
		select {
		case <-p.exited:
		case <-time.After(patience):
		}
	}
	p.Kill()
}

// Kill ends the program and all of its group, as the loss of power would, and waits
// until they are gone.
func (p *Process) Kill() {
	if p == nil {
		return
	}
	for p.grouped() { // a number that is still the group's
		_ = syscall.Kill(-p.Pid(), syscall.SIGKILL)
		time.Sleep(time.Millisecond)
	}
	<-p.exited
}

// grouped reports whether a process of the program's group is there that is no zombie.
func (p *Process) grouped() bool {
	for _, fields := range stats("/proc/[0-9]*/stat") {
		if state, group := fields[0], fields[2]; group == strconv.Itoa(p.Pid()) && !strings.Contains("ZX", state) {
			return true
		}
	}
	return false
}
