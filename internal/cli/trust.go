package cli

import (
	"crypto/x509"
	"errors"
	"fmt"
)

// advised adds to an error of a certificate what may be done about it.
func advised(err error) error {
	if _, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		return fmt.Errorf("%w: give the file of its authority with --os-cacert (OS_CACERT)", err)
	}
	if _, ok := errors.AsType[x509.HostnameError](err); ok {
		return fmt.Errorf("%w: use a name or address that the certificate has", err)
	}
	return err
}
