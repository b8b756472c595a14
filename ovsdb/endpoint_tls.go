package ovsdb

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"
)

// TLSFiles are the PEM files for ssl endpoints, as the options --certificate,
// --private-key and --ca-cert of the OVS programs name them. They are read again
// when they change, for the handshakes from then on.
type TLSFiles struct {
	// Certificate and Key are ours. A client may do without both, if the server does.
	Certificate string
	Key         string
	// CA has the certificates of which one must have signed the peer's. It
	// should sign nothing but peers, since by default that is all that is asked:
	// the certificates that ovs-pki makes have no names to check.
	CA string
	// Name is a DNS name or IP address that the certificate of a server which we
	// dial must have besides; "" asks for none.
	Name string
}

// Client returns the configuration for Dial.
func (f TLSFiles) Client() (*tls.Config, error) {
	p, err := f.load()
	if err != nil {
		return nil, err
	}
	return &tls.Config{
		MinVersion: tls.VersionTLS12,
		// What Go would verify is verified below, by the CA file as it is then.
		InsecureSkipVerify: true,
		ServerName:         f.Name,
		VerifyConnection: func(s tls.ConnectionState) error {
			return p.verify(s, f.Name, x509.ExtKeyUsageServerAuth)
		},
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			cert, _, err := p.get()
			return cert, err
		},
	}, nil
}

// Server returns the configuration for Listen. The peer must have a
// certificate of the CA; who it is, ListenOptions.Identify must find in it.
func (f TLSFiles) Server() (*tls.Config, error) {
	if f.Certificate == "" {
		return nil, errors.New("a server needs a certificate")
	}
	p, err := f.load()
	if err != nil {
		return nil, err
	}
	return &tls.Config{
		MinVersion: tls.VersionTLS12,
		ClientAuth: tls.RequireAnyClientCert, // and verified below
		VerifyConnection: func(s tls.ConnectionState) error {
			return p.verify(s, "", x509.ExtKeyUsageClientAuth)
		},
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
			cert, _, err := p.get()
			return cert, err
		},
	}, nil
}

// pki is what the files held when they were read last.
type pki struct {
	files TLSFiles

	mu    sync.Mutex
	times [3]time.Time
	cert  *tls.Certificate
	roots *x509.CertPool
}

func (f TLSFiles) load() (*pki, error) {
	p := &pki{files: f}
	_, _, err := p.get()
	return p, err
}

// get returns certificate and roots; when the files cannot be read any more,
// those that were read last.
func (p *pki) get() (*tls.Certificate, *x509.CertPool, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	var times [3]time.Time
	for i, name := range []string{p.files.Certificate, p.files.Key, p.files.CA} {
		if st, err := os.Stat(name); err == nil {
			times[i] = st.ModTime()
		}
	}
	if p.cert != nil && times == p.times {
		return p.cert, p.roots, nil
	}
	cert, roots, err := p.files.read()
	switch {
	case err == nil:
		p.cert, p.roots, p.times = cert, roots, times
	case p.cert == nil:
		return nil, nil, err
	}
	return p.cert, p.roots, nil
}

func (f TLSFiles) read() (*tls.Certificate, *x509.CertPool, error) {
	var cert tls.Certificate
	if f.Certificate != "" || f.Key != "" {
		var err error
		if cert, err = tls.LoadX509KeyPair(f.Certificate, f.Key); err != nil {
			return nil, nil, fmt.Errorf("certificate %q with private key %q: %w", f.Certificate, f.Key, err)
		}
	}
	ca, err := os.ReadFile(f.CA)
	if err != nil {
		return nil, nil, fmt.Errorf("CA certificates: %w", err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(ca) {
		return nil, nil, fmt.Errorf("CA certificates %q: the file has no PEM block CERTIFICATE", f.CA)
	}
	return &cert, roots, nil
}

func (p *pki) verify(s tls.ConnectionState, name string, usage x509.ExtKeyUsage) error {
	if len(s.PeerCertificates) == 0 {
		return errors.New("the peer shows no certificate")
	}
	_, roots, err := p.get()
	if err != nil {
		return err
	}
	opts := x509.VerifyOptions{Roots: roots, DNSName: name, Intermediates: x509.NewCertPool(), KeyUsages: []x509.ExtKeyUsage{usage}}
	for _, c := range s.PeerCertificates[1:] {
		opts.Intermediates.AddCert(c)
	}
	_, err = s.PeerCertificates[0].Verify(opts)
	return err
}
