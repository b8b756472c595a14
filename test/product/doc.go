// Package product runs the built binary for tests, as an operator would: as one
// process (`l2gw standalone`), or as servers and agents.
package product
