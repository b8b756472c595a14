// Package tempest runs Debian's Tempest against the cloud of test/cloud, with
// users and projects that Tempest makes for itself: Tempest's own tests of
// Neutron's API, to which the product in front of Neutron must be Neutron, and
// tests of gateways and connections on Tempest's base (testdata/gateways.py), as
// Debian does not have OpenStack's plugin with these.
package tempest
