package main

import (
	"slices"
	"testing"
)

func TestBrowsersMayUseTheNamesThatAnOperatorConfigured(t *testing.T) {
	o := serverOptions{listen: "controller:9697"}
	o.front.publicURL = "https://cloud.example:9696/network"
	if got, want := o.hosts(), []string{"controller", "cloud.example:9696"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	o = serverOptions{listen: ":9697"}
	if got := o.hosts(); len(got) > 0 {
		t.Errorf("without any name: %q", got)
	}
}
