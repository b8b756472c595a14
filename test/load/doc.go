// Package load measures the API as its clients see it: over HTTP, from `l2gw serve`
// as a process of its own, on SQLite, PostgreSQL and MariaDB. Its targets are those
// that the documents promise; a benchmark that misses one fails.
package load
