// Package cloud stands up what other services of OpenStack find: the shared
// Keystone of test/keystone, whose catalog names as the endpoint for networks an
// `l2gw serve` that is the proxy in front of a Neutron, with tokens asked for
// everywhere.
//
// An exporter between the product and Neutron keeps the inventory file, as
// something has to in any cloud: it holds Neutron's answer to who makes or deletes
// a network back until the product has read the file, so that a client may connect
// a network as soon as it has it. A TestMain runs [product.Main] around
// [keystone.Main].
package cloud
