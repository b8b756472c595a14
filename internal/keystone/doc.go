// Package keystone tells who makes a request: it asks Keystone (Identity API v3)
// about the token that the request carries, as keystonemiddleware's auth_token does
// for OpenStack's services, and with the same options ([keystone_authtoken]).
//
// What it guarantees: a token is believed because Keystone said so, not longer than
// it is valid, and not longer than the cache's time after Keystone last said so; no
// header of the request but the tokens is believed; nothing of a token or password
// is in a log, an error or a figure.
package keystone
