package main

import (
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"l2gw"
)

func TestATokenInAFileIsFollowedAndOneThatCannotBeUsedLeavesTheOneBefore(t *testing.T) {
	const first, second = "0123456789abcdef", "fedcba9876543210-of-another-length"
	path := filepath.Join(t.TempDir(), "token")
	put := func(contents string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(contents), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var log text
	a, err := (&authOptions{strategy: "token", tokenFile: path}).authentication(slog.New(slog.NewTextHandler(&log, nil)))
	if err == nil || a != nil {
		t.Fatal("there is no such file")
	}
	put(first + "\n")
	if a, err = (&authOptions{strategy: "token", tokenFile: path}).authentication(slog.New(slog.NewTextHandler(&log, nil))); err != nil {
		t.Fatal(err)
	}
	takes := func(header, value string) bool {
		t.Helper()
		who, err := a.authenticate(&http.Request{Header: http.Header{header: {value}}})
		if err != nil && l2gw.ErrorCode(err) != l2gw.Unauthorized {
			t.Error(err)
		}
		return err == nil && who.Admin
	}
	if !takes("X-Auth-Token", first) || !takes("Authorization", "bearer "+first) || takes("Authorization", "Basic "+first) || takes("X-Auth-Token", second) || takes("X-Auth-Token", "") {
		t.Error("it is not the token alone that lets in")
	}
	put(second)
	if takes("X-Auth-Token", first) || !takes("X-Auth-Token", second) {
		t.Error("a new token is not followed")
	}
	for _, broken := range []string{"", "short", "two tokens-in-one-file", strings.Repeat("x", 4097)} {
		put(broken)
		if !takes("X-Auth-Token", second) || takes("X-Auth-Token", strings.TrimSpace(broken)) {
			t.Errorf("%.20q has taken the place of a token", broken)
		}
	}
	if told := log.String(); strings.Count(told, "the token cannot be read anew") != 1 || strings.Count(told, "the token was read anew") != 1 ||
		strings.Contains(told, first) || strings.Contains(told, second) {
		t.Errorf("it was told\n%s", told)
	}
}
