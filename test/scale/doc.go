// Package scale has the benchmark of one server with as many agents, databases,
// networks and MACs as it is made for. The server is a process of its own, so
// that its memory can be read. The agents are of the benchmark's process; all
// streams are real. There is no test here: `make bench` runs it.
package scale
