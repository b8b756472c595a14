package main

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"l2gw"
)

func TestTheLogSaysWhyWhatUsersAreNotTold(t *testing.T) {
	var out bytes.Buffer
	log, err := newLogger("info", &out)
	if err != nil {
		t.Fatal(err)
	}
	log.Warn("cannot renew", "error", l2gw.ServiceUnavailable("The database", errors.New("the disk is full")))
	if got := out.String(); !strings.Contains(got, "not available") || !strings.Contains(got, "the disk is full") {
		t.Error(got)
	}
	out.Reset()
	log.Info("as before", "error", errors.New("plain"), "list", []string{"a"}, "text", "b", "none", nil)
	if got := out.String(); !strings.HasSuffix(got, "error=plain list=[a] text=b none=<nil>\n") {
		t.Error(got)
	}
}
