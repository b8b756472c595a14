package store

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"strings"

	"l2gw/internal/pki"
)

// mysqlTLS takes the options of PyMySQL, as SQLAlchemy passes them, and
// mysqlclient's ssl_mode. Any of them asks for TLS, without which the server is
// then refused; nil: none does. The certificate is checked, and the host's name in
// it, unless an option says otherwise; by the authorities of the system where ssl_ca
// names none. The files are followed.
func mysqlTLS(a *address, host string, t tuning) (*pki.Followed[*tls.Config], error) {
	files := pki.Files{CA: pki.File{Option: "ssl_ca"}, Certificate: pki.File{Option: "ssl_cert"}, Key: pki.File{Option: "ssl_key"}}
	for _, file := range []*pki.File{&files.CA, &files.Certificate, &files.Key} {
		var err error
		if file.Path, err = a.option(file.Option); err != nil {
			return nil, err
		}
	}
	flags := map[string]bool{"ssl_check_hostname": true, "ssl_verify_identity": true, "ssl_verify_cert": true, "ssl_disabled": false}
	wanted := len(files.Given()) > 0
	for name, byDefault := range flags {
		given := a.options.Has(name)
		v, err := a.truth(name, byDefault)
		if err != nil {
			return nil, err
		}
		flags[name] = v
		wanted = wanted || given && name != "ssl_disabled" && name != "ssl_check_hostname"
	}
	mode, err := a.oneOf("ssl_mode", "DISABLED", "REQUIRED", "VERIFY_CA", "VERIFY_IDENTITY")
	if err != nil {
		return nil, err
	}
	verifyChain, verifyName := flags["ssl_verify_cert"], flags["ssl_check_hostname"] && flags["ssl_verify_identity"]
	switch mode {
	case "REQUIRED":
		verifyChain, verifyName = verifyChain && files.CA.Path != "", false
	case "VERIFY_CA":
		verifyName = false
	}
	if flags["ssl_disabled"] || mode == "DISABLED" || !wanted && mode == "" {
		return nil, nil
	}
	return pki.Follow(files.Given(), func() (*tls.Config, error) {
		c, err := files.Client()
		if err != nil {
			return nil, fmt.Errorf("database URL: %w", err)
		}
		c.ServerName = host
		c.InsecureSkipVerify = !verifyChain || !verifyName
		if verifyChain && !verifyName {
			c.VerifyConnection = verifierOf(c.RootCAs)
		}
		return c, nil
	}, pki.Log(t.log, "the database"))
}

// verifierOf checks a server's certificate, but not its name.
func verifierOf(authorities *x509.CertPool) func(tls.ConnectionState) error {
	return func(state tls.ConnectionState) error {
		options := x509.VerifyOptions{Roots: authorities, Intermediates: x509.NewCertPool()}
		for _, c := range state.PeerCertificates[1:] {
			options.Intermediates.AddCert(c)
		}
		_, err := state.PeerCertificates[0].Verify(options)
		return err
	}
}

// tlsHint says what a person can do about a server that was not trusted, or "".
func tlsHint(err error) string {
	text := err.Error()
	var authority x509.UnknownAuthorityError
	var name x509.HostnameError
	switch {
	case errors.As(err, &authority), strings.Contains(text, "signed by unknown authority"):
		return "the server's certificate is of another authority than the one named by ssl_ca or sslrootcert"
	case errors.As(err, &name):
		return "the URL must name the server as its certificate does"
	case strings.Contains(text, "TLS requested but server does not support TLS"), strings.Contains(text, "server refused TLS connection"):
		return "the URL asks for TLS, which the server does not offer"
	case strings.Contains(text, "require_secure_transport"), strings.Contains(text, "no encryption"):
		return "the server asks for TLS: sslmode=verify-full and sslrootcert (PostgreSQL), or ssl_ca (MariaDB, MySQL)"
	}
	return ""
}
