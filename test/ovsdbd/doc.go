// Package ovsdbd runs Open vSwitch's own ovsdb-server for tests.
//
// Each server has a folder, a database and ports of its own, so that any number
// of them run side by side. It ends with the test that started it.
package ovsdbd
