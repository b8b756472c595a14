package pki_test

import (
	"os"
	"testing"

	"l2gw/internal/pki"
)

// A handshake takes some hundred microseconds; this is what following adds to it.
func BenchmarkLookingAtFilesThatDidNotChange(b *testing.B) {
	dir := b.TempDir()
	var files []pki.File
	for _, name := range []string{"ca", "cert", "key"} {
		if err := os.WriteFile(dir+"/"+name, nil, 0o600); err != nil {
			b.Fatal(err)
		}
		files = append(files, pki.File{Option: name, Path: dir + "/" + name})
	}
	f, err := pki.Follow(files, func() (int, error) { return 1, nil }, func(error) {})
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		f.Get()
	}
}
