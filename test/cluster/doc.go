// Package cluster tests servers as processes on databases that are clusters, that
// hang, or that go away and come back.
package cluster
