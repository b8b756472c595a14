package main

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"l2gw"
	"l2gw/internal/cli"
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

func TestEachProgramTellsAWrongOptionInOneLine(t *testing.T) {
	for _, name := range []string{"l2gw", "neutron-l2gw", "openstack", "neutron-l2gateway-agent"} {
		root := command(name)
		var out, errs bytes.Buffer
		root.SetOut(&out)
		root.SetErr(&errs)
		want := "usage: " + name
		if code := cli.Run(t.Context(), root, []string{"--frobnicate"}); code != 2 || out.Len() > 0 || strings.Count(errs.String(), "\n") != 3 ||
			!strings.HasPrefix(errs.String(), want) || !strings.Contains(errs.String(), name+": error: unknown flag: --frobnicate\n") {
			t.Errorf("%s: %d %q %q", name, code, &out, &errs)
		}
	}
}
