// Package health answers whether the process lives (/healthz) and whether
// requests should be sent to it (/readyz), and says why not.
//
// Ready means that this process can do its own work: take a request, keep it, and
// tell how it stands. What lies outside, such as a switch that is away, is told
// and makes nobody unready: another process would not reach the switch either, and
// clients that are turned away could not even see what is wrong.
package health
