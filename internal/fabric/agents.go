package fabric

import (
	"crypto/sha256"
	"crypto/subtle"
	"crypto/x509"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"l2gw/internal/pki"
)

// Agents is the list of the agents that a server lets in. Its file is read
// again when it changes; as long as it is broken, the last good list holds.
//
// A nil *Agents is no list: any certificate of the authority is let in, as the
// agent that it names and for all databases; without TLS, anybody on loopback.
type Agents struct {
	Logger *slog.Logger // for warnings; nil: slog.Default()

	path string

	mu   sync.Mutex
	list []agent
	file fileState // as of which list is, or was found to be broken
}

// agent is an entry of the list.
type agent struct {
	name         string
	certificates []string // common or alternative names
	fingerprints []string // SHA-256, in hexadecimal digits
	tokens       [][]byte // SHA-256
	databases    []string // nil: all
	line         int
}

// fileState tells whether a file has changed.
type fileState struct {
	modified time.Time
	size     int64
}

// LoadAgents reads the list, a YAML file such as
//
//	agents:
//	- name: rack7                  # what the agent calls itself
//	  certificate: rack7.example   # CN or SAN of its certificate
//	  databases: [tor13, tor14]
//	- name: lab
//	  token_sha256: 2bb80d…        # printf %s "$TOKEN" | sha256sum
//	  databases: ["*"]
//
// certificate, fingerprint (SHA-256 of a certificate) and token_sha256 each have
// a value or a list of them; any one of all is enough. Without any, the
// certificate must have the agent's name. Errors have the file and the line.
func LoadAgents(path string) (*Agents, error) {
	a := &Agents{path: path}
	list, file, err := readAgents(path)
	if err != nil {
		return nil, err
	}
	a.list, a.file = list, file
	return a, nil
}

func readAgents(path string) ([]agent, fileState, error) {
	st, err := os.Stat(path)
	if err != nil {
		return nil, fileState{}, fmt.Errorf("list of agents: %w", err)
	}
	file := fileState{st.ModTime(), st.Size()}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, file, fmt.Errorf("list of agents: %w", err)
	}
	list, err := parseAgents(data)
	if err != nil {
		return nil, file, fmt.Errorf("list of agents %s: %w", path, err)
	}
	return list, file, nil
}

// current returns the list as the file has it, or had it last.
func (a *Agents) current() []agent {
	a.mu.Lock()
	defer a.mu.Unlock()
	var now fileState // zero if there is no file
	if st, err := os.Stat(a.path); err == nil {
		now = fileState{st.ModTime(), st.Size()}
	}
	if now == a.file {
		return a.list
	}
	log := a.Logger
	if log == nil {
		log = slog.Default()
	}
	list, file, err := readAgents(a.path)
	a.file = file
	if err != nil {
		log.Warn("the list of agents cannot be read again; the one before stays in force", "error", err)
		return a.list
	}
	log.Info("the list of agents was read again", "file", a.path, "agents", len(list))
	a.list = list
	return a.list
}

// Authenticate says who sent a request. Over TLS that is told by a certificate,
// which the tls.Config has verified, or by a token; in plaintext by a token, and
// from loopback only. The error is a *RefusedError.
func (a *Agents) Authenticate(r *http.Request) (Peer, error) {
	header := r.Header.Get("Authorization")
	token, bearer := strings.CutPrefix(header, "Bearer ")
	var cert *x509.Certificate
	if r.TLS != nil && len(r.TLS.PeerCertificates) > 0 {
		cert = r.TLS.PeerCertificates[0]
	}
	switch {
	case r.TLS == nil && !loopback(r.RemoteAddr):
		return refuse("%s is not on this machine and came without TLS: agents need TLS, and a certificate or a token", hostOf(r.RemoteAddr))
	case header != "" && (!bearer || token == ""):
		return refuse("the header Authorization must be of the kind Bearer, with a token")
	// A stream lives longer than its handshake.
	case cert != nil && time.Now().After(cert.NotAfter):
		return refuse("its certificate (%s) expired at %s", pki.Describe(cert), cert.NotAfter.UTC().Format(time.RFC3339))
	}
	if a == nil {
		return withoutList(r, cert, bearer)
	}
	list := a.current()
	var known agent
	var err error
	switch {
	case bearer:
		if known, err = byToken(list, token); err == nil && cert != nil {
			// Both are shown: they must not contradict.
			if other, e := byCertificate(list, cert); e == nil && other.name != known.name {
				return refuse("its token is that of agent %s, but its certificate (%s) that of agent %s", known.name, pki.Describe(cert), other.name)
			}
		}
	case cert != nil:
		known, err = byCertificate(list, cert)
	default:
		return refuse("it has shown neither a certificate nor a token; give the agent a certificate, or a token whose SHA-256 is token_sha256 of its entry in the list of agents")
	}
	if err != nil {
		return Peer{}, err
	}
	return Peer{Agent: known.name, Databases: slices.Clone(known.databases), Address: r.RemoteAddr}, nil
}

func withoutList(r *http.Request, cert *x509.Certificate, bearer bool) (Peer, error) {
	switch {
	case bearer:
		return refuse("it has shown a token, but this server has no list of agents in which that could be: give it one with --agents")
	case r.TLS == nil:
		return Peer{Address: r.RemoteAddr}, nil
	case cert == nil:
		return refuse("it has shown no certificate, and this server has no list of agents that are known by a token")
	}
	name := pki.CommonName(cert)
	if names := pki.AlternativeNames(cert); name == "" && len(names) > 0 {
		name = names[0]
	}
	if name == "" {
		return refuse("its certificate (%s) has no name; give it one, or name its fingerprint in a list of agents", pki.Describe(cert))
	}
	return Peer{Agent: name, Address: r.RemoteAddr}, nil
}

func refuse(format string, args ...any) (Peer, error) {
	return Peer{}, &RefusedError{Reason: fmt.Sprintf(format, args...)}
}

// byToken looks at every token, so that the time tells nothing.
func byToken(list []agent, token string) (known agent, err error) {
	sum := sha256.Sum256([]byte(token))
	for _, a := range list {
		for _, t := range a.tokens {
			if subtle.ConstantTimeCompare(t, sum[:]) == 1 {
				known = a
			}
		}
	}
	if known.name == "" {
		_, err = refuse("no agent in the list is known by its token; to let it in, set token_sha256 of its entry to the SHA-256 of the token")
	}
	return known, err
}

func byCertificate(list []agent, cert *x509.Certificate) (known agent, err error) {
	var fits []string
	for _, a := range list {
		if a.fits(cert) {
			known = a
			fits = append(fits, a.name)
		}
	}
	switch len(fits) {
	case 1:
		return known, nil
	case 0:
		_, err = refuse("no agent in the list is known by its certificate (%s); to let it in, set fingerprint: %s in its entry", pki.Describe(cert), pki.Fingerprint(cert))
	default:
		_, err = refuse("its certificate (%s) fits several agents in the list (%s); give each a fingerprint of its own", pki.Describe(cert), strings.Join(fits, ", "))
	}
	return agent{}, err
}

// fits says whether an agent is known by a certificate: by one with its name, if
// nothing else is said of it.
func (a agent) fits(cert *x509.Certificate) bool {
	if slices.Contains(a.fingerprints, pki.Fingerprint(cert)) {
		return true
	}
	names := a.certificates
	if len(names) == 0 && len(a.fingerprints) == 0 && len(a.tokens) == 0 {
		names = []string{a.name}
	}
	return slices.ContainsFunc(names, func(want string) bool {
		return pki.HasCommonName(cert, want) || pki.HasAlternativeName(cert, want)
	})
}
