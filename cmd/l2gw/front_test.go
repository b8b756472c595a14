package main

import "testing"

func TestThePublicURLHasNoSlashAtItsEndAndNoSecrets(t *testing.T) {
	for given, want := range map[string]string{
		"":                                "",
		"https://cloud.example:9696":      "https://cloud.example:9696",
		"https://cloud.example/network//": "https://cloud.example/network",
		"cloud.example:9696":              "error",
		"ftp://cloud.example":             "error",
		"https://user:pw@cloud.example":   "error",
		"https://cloud.example/?x=1":      "error",
	} {
		o := frontOptions{publicURL: given}
		got := "error"
		if err := o.clean(); err == nil {
			got = o.publicURL
		}
		if got != want {
			t.Errorf("%q: %q, want %q", given, got, want)
		}
	}
}
