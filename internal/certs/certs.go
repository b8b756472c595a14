package certs

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"time"
)

// The files of an authority's folder; a certificate's are NAME-cert.pem and NAME-key.pem.
const (
	CAFile    = "cacert.pem"
	caKeyFile = "cakey.pem"
)

// Validity of what is made, unless told otherwise.
const (
	CADays   = 3650
	LeafDays = 825
	maxDays  = 36500
)

// backdate is how far a clock of a switch may be behind ours.
const backdate = time.Hour

// validName keeps names fit for files, for DNS names and for a shell.
var validName = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$`)

// Issued is a certificate that was made.
type Issued struct {
	CertFile, KeyFile, CAFile string
	Fingerprint               string // SHA-256 of the certificate, 64 hexadecimal digits
	NotAfter                  time.Time
}

// Options of a certificate.
type Options struct {
	// SANs are alternative names besides the certificate's own: DNS names or IP addresses.
	SANs []string
	// Days is how long it is valid; 0 is CADays or LeafDays.
	Days int
	// Now is when it is made; time.Now if nil.
	Now func() time.Time
}

// validity fills in what is not set, and returns from when to when a certificate is valid.
func (o Options) validity(days int) (from, to time.Time, err error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Days < 0 || o.Days > maxDays {
		return from, to, fmt.Errorf("days %d: %w: it must be from 1 to %d", o.Days, ErrInvalid, maxDays)
	}
	if o.Days > 0 {
		days = o.Days
	}
	now := o.Now()
	return now.Add(-backdate), now.AddDate(0, 0, days), nil
}

// Init makes an authority in dir, which is made if it is missing.
// Errors: ErrExists if there is one already, ErrInvalid.
func Init(dir string, o Options) (Issued, error) {
	from, to, err := o.validity(CADays)
	if err != nil {
		return Issued{}, err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return Issued{}, err
	}
	key, serial, err := material()
	if err != nil {
		return Issued{}, err
	}
	template := &x509.Certificate{
		SerialNumber: serial,
		// The serial number tells apart authorities of one name.
		Subject:   pkix.Name{Organization: []string{"L2GW"}, CommonName: "L2GW lab CA " + serial.Text(16)[:8]},
		NotBefore: from, NotAfter: to,
		IsCA: true, BasicConstraintsValid: true, MaxPathLenZero: true,
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return Issued{}, err
	}
	return write(dir, CAFile, caKeyFile, der, key, to)
}

// Issue makes a certificate for name, signed by the authority in dir. Its
// common name and one of its DNS names are name.
// Errors: ErrExists if name has one already, ErrNoAuthority, ErrInvalid.
func Issue(dir, name string, o Options) (Issued, error) {
	if !validName.MatchString(name) {
		return Issued{}, fmt.Errorf("name %q: %w: it must be letters, digits, '-', '.' and '_', such as tor3", name, ErrInvalid)
	}
	from, to, err := o.validity(LeafDays)
	if err != nil {
		return Issued{}, err
	}
	ca, caKey, err := load(dir)
	if err != nil {
		return Issued{}, err
	}
	if to.After(ca.NotAfter) {
		to = ca.NotAfter
	}
	key, serial, err := material()
	if err != nil {
		return Issued{}, err
	}
	template := &x509.Certificate{
		SerialNumber: serial,
		Subject:      pkix.Name{Organization: []string{"L2GW"}, CommonName: name},
		NotBefore:    from, NotAfter: to,
		DNSNames: []string{name},
		KeyUsage: x509.KeyUsageDigitalSignature,
		// A switch may dial and be dialled, and so may we.
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true,
	}
	for _, san := range o.SANs {
		switch ip := net.ParseIP(san); {
		case ip != nil:
			template.IPAddresses = append(template.IPAddresses, ip)
		case validName.MatchString(san):
			template.DNSNames = append(template.DNSNames, san)
		default:
			return Issued{}, fmt.Errorf("alternative name %q: %w: it must be a DNS name or an IP address", san, ErrInvalid)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, ca, key.Public(), caKey)
	if err != nil {
		return Issued{}, err
	}
	return write(dir, name+"-cert.pem", name+"-key.pem", der, key, to)
}

// material is what is random in a certificate: its key and its serial number,
// 127 bits (RFC 5280 §4.1.2.2 allows 20 octets).
func material() (*ecdsa.PrivateKey, *big.Int, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	top := new(big.Int).Lsh(big.NewInt(1), 126)
	serial, err := rand.Int(rand.Reader, top)
	return key, serial.Add(serial, top), err
}

// load reads the authority in dir.
func load(dir string) (*x509.Certificate, *ecdsa.PrivateKey, error) {
	var der [2][]byte
	for i, name := range []string{CAFile, caKeyFile} {
		path := filepath.Join(dir, name)
		data, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			return nil, nil, fmt.Errorf("%s: %w: make one first with `l2gw certs init %s`", path, ErrNoAuthority, dir)
		}
		if err != nil {
			return nil, nil, err
		}
		block, _ := pem.Decode(data)
		if block == nil {
			return nil, nil, fmt.Errorf("%s: %w: it has no PEM block", path, ErrNoAuthority)
		}
		der[i] = block.Bytes
	}
	cert, err := x509.ParseCertificate(der[0])
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w: %w", filepath.Join(dir, CAFile), ErrNoAuthority, err)
	}
	parsed, err := x509.ParsePKCS8PrivateKey(der[1])
	key, ok := parsed.(*ecdsa.PrivateKey)
	if err != nil || !ok || !key.PublicKey.Equal(cert.PublicKey) {
		return nil, nil, fmt.Errorf("%s: %w: it is not the key of %s", filepath.Join(dir, caKeyFile), ErrNoAuthority, CAFile)
	}
	return cert, key, nil
}

// write makes both files, or none. The key goes first: a certificate without
// its key would look like one that can be used.
func write(dir, certName, keyName string, der []byte, key *ecdsa.PrivateKey, to time.Time) (Issued, error) {
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return Issued{}, err
	}
	certPath, keyPath := filepath.Join(dir, certName), filepath.Join(dir, keyName)
	if _, err := os.Lstat(certPath); err == nil {
		return Issued{}, fmt.Errorf("%s: %w", certPath, ErrExists)
	}
	if err := create(keyPath, "PRIVATE KEY", keyDER); err != nil {
		return Issued{}, err
	}
	if err := create(certPath, "CERTIFICATE", der); err != nil {
		os.Remove(keyPath)
		return Issued{}, err
	}
	sum := sha256.Sum256(der)
	return Issued{
		CertFile: certPath, KeyFile: keyPath, CAFile: filepath.Join(dir, CAFile),
		Fingerprint: hex.EncodeToString(sum[:]), NotAfter: to,
	}, nil
}

// create writes a file that must not be there yet.
func create(path, kind string, der []byte) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%s: %w", path, ErrExists)
	}
	if err != nil {
		return err
	}
	err = pem.Encode(f, &pem.Block{Type: kind, Bytes: der})
	err = errors.Join(err, f.Sync(), f.Close())
	if err != nil {
		os.Remove(path)
	}
	return err
}
