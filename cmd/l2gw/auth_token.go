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
	"sync"
	"time"

	"l2gw"
	"l2gw/internal/api"
)

// leastBearer is the shortest token that is taken, in characters.
const leastBearer = 16

// bearer lets in who has the one token of a file, as an administrator of
// [api.DefaultProject]. The file is looked at once a second while requests come;
// a file that cannot be used any more leaves the token that was there before.
type bearer struct {
	path string
	log  *slog.Logger

	mu     sync.Mutex
	digest [sha256.Size]byte
	file   os.FileInfo
	looked time.Time
	failed string // the failure that is in the log
}

// openBearer reads the token. The error names the file and what is wrong with it, not what is in it.
func openBearer(path string, log *slog.Logger) (*bearer, error) {
	b := &bearer{path: path, log: log, looked: time.Now()}
	return b, b.load()
}

func (b *bearer) load() error {
	f, err := os.Open(b.path)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	text, err := io.ReadAll(io.LimitReader(f, 4096+1))
	if err != nil {
		return err
	}
	token := strings.TrimSpace(string(text))
	odd := strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r >= 0x7f })
	if len(token) < leastBearer || len(token) > 4096 || odd {
		return fmt.Errorf("%s: it must have one token of %d to 4096 printable ASCII characters and nothing else, such as `openssl rand -hex 32` prints", b.path, leastBearer)
	}
	if mode := info.Mode().Perm(); mode&0o007 != 0 {
		b.log.Warn("everybody on this host may use the file of the token; chmod 600 would be right", "file", b.path, "mode", fmt.Sprintf("%#o", mode))
	}
	b.digest, b.file = sha256.Sum256([]byte(token)), info
	return nil
}

// current is the digest of the token.
func (b *bearer) current() [sha256.Size]byte {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := time.Now()
	if now.Sub(b.looked) < time.Second {
		return b.digest
	}
	b.looked = now
	info, err := os.Stat(b.path)
	if err == nil && os.SameFile(info, b.file) && info.ModTime().Equal(b.file.ModTime()) && info.Size() == b.file.Size() {
		return b.digest
	}
	if err == nil {
		err = b.load()
	}
	switch {
	case err == nil:
		b.failed = ""
		b.log.Info("the token was read anew", "file", b.path)
	case err.Error() != b.failed:
		b.failed = err.Error()
		b.log.Warn("the token cannot be read anew; the one before goes on", "error", err)
	}
	return b.digest
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
	want, got := b.current(), sha256.Sum256([]byte(strings.TrimSpace(given)))
	if subtle.ConstantTimeCompare(want[:], got[:]) != 1 {
		return api.Caller{}, &l2gw.Error{
			Code: l2gw.Unauthorized, Type: "HTTPUnauthorized", Message: "The request you have made requires authentication.",
			Err: errors.New("the token is another one"),
		}
	}
	return api.Caller{User: "token", Project: api.DefaultProject, Admin: true}, nil
}
