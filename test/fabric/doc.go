// Package fabric tells stories of servers and agents as processes: two servers
// on PostgreSQL, two agents that both have both switches, and TLS everywhere.
package fabric
