// Package cli is the command line: it drives the API over HTTP and prints what
// it answers in the formats of the openstack client (table, json, yaml, value,
// csv, shell), with the same columns, so that scripts need not change.
//
// What it guarantees: what was asked for goes to standard output, everything else
// to standard error; the exit code is 0 if all was done, 1 if not, 2 if the
// command line is wrong. (validate has codes of its own.) Where a gateway or a
// network is expected, its name will do as long as it is the only one.
//
// What it does not: it knows nothing that the API does not tell, keeps no token from
// one command to the next, and follows no redirection, which would hand a token on.
package cli
