package cli

import (
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"strings"
)

// advised adds to an error of a connection what may be done about it.
func advised(err error) error {
	if _, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		return fmt.Errorf("%w: give the file of its authority with --os-cacert (OS_CACERT)", err)
	}
	if _, ok := errors.AsType[x509.HostnameError](err); ok {
		return fmt.Errorf("%w: use a name or address that the certificate has", err)
	}
	if strings.Contains(err.Error(), "server gave HTTP response to HTTPS client") { // net/http has no type for it
		return errors.New("it does not speak TLS: name it by http:// instead of https://")
	}
	return err
}

// speaksTLS reports whether an answer is what Go's servers say to those who do not
// speak TLS to them.
func speaksTLS(status int, body []byte) bool {
	return status == http.StatusBadRequest && strings.Contains(string(body), "HTTP request to an HTTPS server")
}
