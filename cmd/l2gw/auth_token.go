package main

import (
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"strings"

	"l2gw"
	"l2gw/internal/api"
	"l2gw/internal/pki"
)

// The shortest and the longest token that is taken, in characters.
const (
	leastBearer   = 16
	longestBearer = 4096
)

// bearer lets in who has the one token of a file, as an administrator of
// [api.DefaultProject]. The file is followed; one that cannot be used any more leaves
// the token that was there before.
type bearer struct {
	digest *pki.Followed[[sha256.Size]byte]
}

// openBearer reads the token. The error names the file and what is wrong with it, not what is in it.
func openBearer(path string, log *slog.Logger) (*bearer, error) {
	digest, err := pki.Follow([]pki.File{{Option: "--token-file", Path: path}}, func() ([sha256.Size]byte, error) {
		return digestOfToken(path, log)
	}, func(err error) {
		if err != nil {
			log.Warn("the token cannot be read anew; the one before goes on", "error", err)
			return
		}
		log.Info("the token was read anew", "file", path)
	})
	return &bearer{digest}, err
}

// digestOfToken reads a file that has one token.
func digestOfToken(path string, log *slog.Logger) (digest [sha256.Size]byte, err error) {
	f, err := os.Open(path)
	if err != nil {
		return digest, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return digest, err
	}
	text, err := io.ReadAll(io.LimitReader(f, longestBearer+1))
	if err != nil {
		return digest, err
	}
	token := strings.TrimSpace(string(text))
	odd := strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r >= 0x7f })
	if len(token) < leastBearer || len(token) > longestBearer || odd {
		return digest, fmt.Errorf("%s: it must have one token of %d to %d printable ASCII characters and nothing else, such as `openssl rand -hex 32` prints", path, leastBearer, longestBearer)
	}
	if mode := info.Mode().Perm(); mode&0o007 != 0 {
		log.Warn("everybody on this host may use the file of the token; chmod 600 would be right", "file", path, "mode", fmt.Sprintf("%#o", mode))
	}
	return sha256.Sum256([]byte(token)), nil
}

// authenticate takes the token from X-Auth-Token, or from Authorization.
func (b *bearer) authenticate(r *http.Request) (api.Caller, error) {
	given := r.Header.Get("X-Auth-Token")
	if given == "" {
		scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
		if strings.EqualFold(scheme, "Bearer") {
			given = token
		}
	}
	want, got := b.digest.Get(), sha256.Sum256([]byte(strings.TrimSpace(given)))
	if subtle.ConstantTimeCompare(want[:], got[:]) != 1 {
		return api.Caller{}, &l2gw.Error{
			Code: l2gw.Unauthorized, Type: "HTTPUnauthorized", Message: "The request you have made requires authentication.",
			Err: errors.New("the token is another one"),
		}
	}
	return api.Caller{User: "token", Project: api.DefaultProject, Admin: true}, nil
}
