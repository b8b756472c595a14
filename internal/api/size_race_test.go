//go:build race

package api_test

// The race detector makes SQLite forty times slower.
const bigGateway = 50
