// Package api speaks Neutron's REST conventions for the product's resources:
// gateways and connections to read and write, networks, devices and agents to read,
// and commands to the agents of a switch.
//
// Each resource is one table of attributes ([attribute]); decoding, defaults,
// validation, what is shown, filters and sort keys all come from it, so that an
// attribute is stated once.
//
// What it guarantees:
//
//   - A client's mistake is a 4xx that names the field and the value; it is found
//     in the order body, policy, existence, conflict, and changes nothing.
//   - Every answer but an empty one is JSON, errors included, and carries
//     X-Openstack-Request-Id.
//   - Something that we depend on and that is down is a 503 with Retry-After.
//     Anything unforeseen is a 500 that says nothing about the inside, logged
//     once with the request's id.
//   - Without a sort key the order is by creation, then id.
//
// What it does not: it writes to no switch itself. A 201 means that the intent is
// stored; status says how far it has become true.
package api
