package pki

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
)

// File is a PEM file, and what messages call it: the option that names it.
type File struct{ Option, Path string }

func (f File) String() string { return f.Option + " " + f.Path }

// Certificates are those of the file that can be parsed.
func (f File) Certificates() (all []*x509.Certificate, err error) {
	data, err := os.ReadFile(f.Path)
	if err != nil {
		return nil, err
	}
	for block, rest := pem.Decode(data); block != nil; block, rest = pem.Decode(rest) {
		if cert, err := x509.ParseCertificate(block.Bytes); err == nil {
			all = append(all, cert)
		}
	}
	return all, nil
}

func (f File) read() ([]byte, error) {
	data, err := os.ReadFile(f.Path)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", f.Option, err)
	}
	return data, nil
}

// Files are those of one end of TLS. A Path of "" is no file.
type Files struct {
	// CA has the authorities of which one must have signed the other end's
	// certificate. Without it, a client asks those of the system, and a server asks
	// for no certificate.
	CA File
	// Certificate is ours, with those between it and its authority, and Key its
	// private key. A client may do without both.
	Certificate, Key File
}

// Given are the files that there are.
func (f Files) Given() (all []File) {
	for _, file := range []File{f.CA, f.Certificate, f.Key} {
		if file.Path != "" {
			all = append(all, file)
		}
	}
	return all
}

// Client reads the files into the configuration of a client, which checks the
// server's name as well. TLS is 1.2 at least.
func (f Files) Client() (*tls.Config, error) {
	roots, own, err := f.read()
	if err != nil {
		return nil, err
	}
	return &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots, Certificates: own}, nil
}

// Server reads the files into the configuration of a server. With CA it demands a
// certificate of each client. TLS is 1.2 at least.
func (f Files) Server() (*tls.Config, error) {
	if f.Certificate.Path == "" && f.Key.Path == "" {
		return nil, fmt.Errorf("%s is missing: a server needs a certificate", f.Certificate.Option)
	}
	clients, own, err := f.read()
	if err != nil {
		return nil, err
	}
	c := &tls.Config{MinVersion: tls.VersionTLS12, Certificates: own}
	if clients != nil {
		c.ClientCAs, c.ClientAuth = clients, tls.RequireAndVerifyClientCert
		// Who resumes a session was verified by the authorities of an earlier day.
		c.SessionTicketsDisabled = true
	}
	return c, nil
}

func (f Files) read() (authorities *x509.CertPool, own []tls.Certificate, err error) {
	if f.CA.Path != "" {
		data, err := f.CA.read()
		if err != nil {
			return nil, nil, err
		}
		authorities = x509.NewCertPool()
		if !authorities.AppendCertsFromPEM(data) {
			return nil, nil, fmt.Errorf("%s: there is no certificate in PEM form in it", f.CA)
		}
	}
	switch {
	case (f.Certificate.Path == "") != (f.Key.Path == ""):
		return nil, nil, fmt.Errorf("%s and %s go together", f.Certificate.Option, f.Key.Option)
	case f.Certificate.Path == "":
		return authorities, nil, nil
	}
	cert, err := f.Certificate.read()
	if err != nil {
		return nil, nil, err
	}
	key, err := f.Key.read()
	if err != nil {
		return nil, nil, err
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return nil, nil, fmt.Errorf("%s and %s: %w", f.Certificate, f.Key, err)
	}
	return authorities, []tls.Certificate{pair}, nil
}
