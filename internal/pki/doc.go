// Package pki is for those who use certificates: what names one ([Describe],
// [Fingerprint], [HasCommonName] …), and the PEM files of one end of TLS ([Files])
// that are read again when they change ([Follow]), so that a certificate or an
// authority is renewed by writing files, with no restart.
//
// It guarantees:
//   - What was read once stays in force until it can be replaced by something
//     good: files that are gone, half written or do not fit together change
//     nothing. Their owner is told once of each fault, and of its end.
//   - Errors name option and file. None has anything of a private key in it.
//
// Not guaranteed: that a change is seen before somebody asks ([Followed.Get]), or
// that a connection that is open is given up because of it; and changes of the
// system's authorities, which Go reads once.
//
// The certificates themselves are made elsewhere: for a laboratory, by
// [l2gw/internal/certs].
package pki
