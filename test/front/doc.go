// Package front tells how L2GW stands where Neutron stands: behind HAProxy with
// the configuration of docs/deploy/haproxy.md, and as its own reverse proxy, with
// a real neutron-server, a real PostgreSQL and the real openstack client.
package front
