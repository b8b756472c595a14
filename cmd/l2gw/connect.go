package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"

	"github.com/spf13/pflag"

	"l2gw/ovsdb"
)

func addTLSFlags(f *pflag.FlagSet, files *ovsdb.TLSFiles) {
	f.StringVar(&files.Key, "private-key", "", "PEM file with our private key, for switches with ssl")
	f.StringVar(&files.Certificate, "certificate", "", "PEM file with our certificate, for switches with ssl")
	f.StringVar(&files.CA, "ca-cert", "", "PEM file with the authority that signed the switches' certificates")
}

// dialer connects to a switch; with TLS if the endpoint says ssl. admit has the
// last word on the switch's certificate; nil takes any of the authority.
func dialer(endpoint string, files ovsdb.TLSFiles, admit func(*x509.Certificate) error) (ovsdb.Connector, error) {
	e, err := ovsdb.ParseEndpoint(endpoint)
	if err != nil {
		return nil, err
	}
	var conf *tls.Config
	if e.TLS {
		if files.Certificate == "" || files.Key == "" || files.CA == "" {
			return nil, errors.New("ssl needs --private-key, --certificate and --ca-cert")
		}
		if conf, err = files.Client(); err != nil {
			return nil, fmt.Errorf("ssl needs --private-key, --certificate and --ca-cert: %w", err)
		}
		conf.VerifyConnection = verifier(conf, admit)
	}
	return ovsdb.Dialer(conf, endpoint)
}
