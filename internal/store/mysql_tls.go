package store

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"strings"
)

// mysqlTLS takes the options of PyMySQL, as SQLAlchemy passes them, and
// mysqlclient's ssl_mode. Any of them asks for TLS, without which the server is
// then refused. The certificate is checked, and the host's name in it, unless an
// option says otherwise; by the authorities of the system where ssl_ca names none.
func mysqlTLS(a *address, host string) (*tls.Config, error) {
	files := map[string]string{}
	for _, name := range []string{"ssl_ca", "ssl_cert", "ssl_key"} {
		v, err := a.option(name)
		if err != nil {
			return nil, err
		}
		files[name] = v
	}
	flags := map[string]bool{"ssl_check_hostname": true, "ssl_verify_identity": true, "ssl_verify_cert": true, "ssl_disabled": false}
	wanted := files["ssl_ca"] != "" || files["ssl_cert"] != "" || files["ssl_key"] != ""
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
		verifyChain, verifyName = verifyChain && files["ssl_ca"] != "", false
	case "VERIFY_CA":
		verifyName = false
	}
	switch {
	case flags["ssl_disabled"], mode == "DISABLED", !wanted && mode == "":
		return nil, nil
	case (files["ssl_cert"] == "") != (files["ssl_key"] == ""):
		return nil, errors.New("database URL: ssl_cert and ssl_key must be given together")
	}
	conf := &tls.Config{ServerName: host, MinVersion: tls.VersionTLS12}
	if files["ssl_ca"] != "" {
		if conf.RootCAs, err = authorities(files["ssl_ca"]); err != nil {
			return nil, err
		}
	}
	if files["ssl_cert"] != "" {
		pair, err := tls.LoadX509KeyPair(files["ssl_cert"], files["ssl_key"])
		if err != nil {
			return nil, fmt.Errorf("database URL: ssl_cert and ssl_key: %w", err)
		}
		conf.Certificates = []tls.Certificate{pair}
	}
	if verifyChain && verifyName {
		return conf, nil
	}
	conf.InsecureSkipVerify = true
	if verifyChain { // only not the name
		conf.VerifyConnection = func(state tls.ConnectionState) error {
			options := x509.VerifyOptions{Roots: conf.RootCAs, Intermediates: x509.NewCertPool()}
			for _, c := range state.PeerCertificates[1:] {
				options.Intermediates.AddCert(c)
			}
			_, err := state.PeerCertificates[0].Verify(options)
			return err
		}
	}
	return conf, nil
}

func authorities(path string) (*x509.CertPool, error) {
	pem, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("database URL: ssl_ca: %w", err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("database URL: ssl_ca: %s has no certificate in PEM form", path)
	}
	return roots, nil
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
