// Package engine tells the stories of the product's main job: the built binary
// against a real ovsdb-server. Each story is something that happens to an
// operator, and what the switch must hold afterwards.
package engine
