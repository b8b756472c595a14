package product

import (
	"io"
	"net/url"
	"os"
	"path/filepath"
	"slices"

	"l2gw/test/secrets"
)

// keepsSecrets fails the test if a password or a token that it used is in what
// the process wrote: its log, its figures, and the files in its folders.
func (p *Process) keepsSecrets() {
	if secrets.Count() == 0 || p.run == nil {
		return
	}
	look := func(what string, text []byte) {
		if found := secrets.In(text); len(found) > 0 {
			p.t.Errorf("%s: %s has these secrets in it: %q", p.Name, what, found)
		}
	}
	if text, err := os.ReadFile(p.log); err == nil {
		look("the log", text)
	}
	if u, err := url.Parse(p.ready); err == nil && p.Running() {
		u.Path = "/metrics"
		if resp, err := monitoring.Get(u.String()); err == nil {
			text, _ := io.ReadAll(resp.Body)
			resp.Body.Close()
			look("what it tells of itself", text)
		}
	}
	for _, option := range []string{"--state-dir", "--data", "--audit"} {
		i := slices.Index(p.args, option)
		if i < 0 || i+1 >= len(p.args) {
			continue
		}
		_ = filepath.WalkDir(p.args[i+1], func(path string, entry os.DirEntry, err error) error {
			if err == nil && entry.Type().IsRegular() {
				if text, err := os.ReadFile(path); err == nil {
					look("the file "+path, text)
				}
			}
			return nil
		})
	}
}
