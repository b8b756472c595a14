// Package certs makes a small certificate authority in a folder, and
// certificates for switches and for L2GW, for a laboratory.
//
// Guaranteed: no file is ever overwritten; private keys can be read by their
// owner alone (mode 0600); a certificate that was issued is complete on disk,
// or none of its files is there. Keys are ECDSA on P-256, signatures SHA-256.
//
// Not guaranteed: anything that a company wants of an authority. There is no
// revocation and no record of what was issued, and its key lies in the folder
// in the clear. A certificate serves at both ends of a connection, since a
// switch may dial and be dialled.
package certs
