package client

import (
	"testing"
)

// BenchmarkStart is one `l2gw list` from its start to its end, and beside it the
// same by Debian's client, as users start it.
func BenchmarkStart(b *testing.B) {
	url := serve(b, "server").URL
	args := []string{"--os-auth-type", "none", "--os-endpoint", url, "l2gw", "list"}
	our := newOurClient(b)
	b.Run("l2gw", func(b *testing.B) {
		for b.Loop() {
			if got := our.run("openstack", order{Args: args}); got.Code != 0 {
				b.Fatal(got.Stderr)
			}
		}
	})
	b.Run("python-openstackclient", func(b *testing.B) {
		for b.Loop() {
			if got := run(b, "/usr/bin/openstack", order{Args: args}, b.TempDir()); got.Code != 0 {
				b.Fatal(got.Stderr)
			}
		}
	})
}
