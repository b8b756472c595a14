package pki

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
)

// CommonName is the common name of a certificate's subject, without what
// ovs-pki(8) appends to the name that it was given, unless told otherwise: " id:"
// and a UUID.
func CommonName(cert *x509.Certificate) string { return withoutID(cert.Subject.CommonName) }

// AlternativeNames are the DNS names, IP addresses and URIs of a certificate, in this order.
func AlternativeNames(cert *x509.Certificate) []string {
	names := slices.Clone(cert.DNSNames)
	for _, ip := range cert.IPAddresses {
		names = append(names, ip.String())
	}
	for _, u := range cert.URIs {
		names = append(names, u.String())
	}
	return names
}

// HasCommonName says whether that is a certificate's common name. As in DNS, case
// does not matter; nor does what ovs-pki appends.
func HasCommonName(cert *x509.Certificate, name string) bool {
	return same(cert.Subject.CommonName, name)
}

// HasAlternativeName says the same of any of its alternative names.
func HasAlternativeName(cert *x509.Certificate, name string) bool {
	return slices.ContainsFunc(AlternativeNames(cert), func(have string) bool { return same(have, name) })
}

// Fingerprint is the SHA-256 of a certificate, in 64 hexadecimal digits.
func Fingerprint(cert *x509.Certificate) string {
	sum := sha256.Sum256(cert.Raw)
	return hex.EncodeToString(sum[:])
}

// Describe names a certificate in a line for people: by all names as they stand in
// it, and its fingerprint.
func Describe(cert *x509.Certificate) string {
	s := fmt.Sprintf("CN %q", cert.Subject.CommonName)
	if names := AlternativeNames(cert); len(names) > 0 {
		s += fmt.Sprintf(", SAN %q", strings.Join(names, ", "))
	}
	return s + ", sha256:" + Fingerprint(cert)
}

func same(have, want string) bool {
	have = withoutID(have)
	return have != "" && strings.EqualFold(have, want)
}

func withoutID(name string) string {
	name, _, _ = strings.Cut(name, " id:")
	return name
}
