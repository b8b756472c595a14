package client

import (
	"slices"
	"strings"
	"testing"
	"time"

	"l2gw/test/product"
)

// long is a session in which our client is asked for all there is, as the real one
// always shows: every command that shows an object, in every format.
func long() []step {
	var all []step
	add := func(line string) {
		st := words(line)
		if st.long = true; strings.Contains(line, " connection ") && strings.HasSuffix(line, " table") {
			// People see bindings as lines, and not as Python writes a list. All else is the same.
			st.long = false
			for _, c := range []string{
				"ID", "L2 GateWay ID", "Network ID", "Segmentation ID", "Tenant", "created_at", "description",
				"project_id", "revision_number", "updated_at",
			} {
				st.args = append(st.args, "-c", c)
			}
		}
		all = append(all, st)
	}
	for _, f := range []string{"table", "json", "yaml", "value", "shell"} {
		name := "gw-" + f
		for _, line := range []string{
			"l2gw create " + name + " --device name=ps1,interface_names=eth1;eth2 --device name=ps2,interface_names=" + f,
			"l2gw show " + name,
			"l2gw show {gateway " + name + "}",
			"l2gw update " + name + " --name new-" + f,
			"l2gw update new-" + f + " --name " + name + " --device name=ps1,interface_names=eth1-" + f,
			"l2gw connection create " + name + " clinet --default-segmentation-id 77",
			"l2gw connection show {connection 0}",
			"l2gw show " + name,
		} {
			add(line + " -f " + f)
		}
		all = append(all, words("l2gw connection delete {connection 0}"), words("l2gw delete "+name))
	}
	return all
}

// settle waits until the controller has seen all that the server has: only then does
// a status stay as it is.
func (s *side) settle() {
	s.t.Helper()
	for deadline := time.Now().Add(product.Patience); strings.Contains(s.holds(), `"BUILD"`); {
		if time.Now().After(deadline) {
			s.t.Fatalf("%s: the controller does not see what it should: %s", s.name, s.holds())
		}
		select {
		case <-s.t.Context().Done():
			return
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// TestBothClientsShowTheSameWhenOursIsAskedForAll has nothing between the real
// client and its server: what ours shows with --long is what the real one shows.
func TestBothClientsShowTheSameWhenOursIsAskedForAll(t *testing.T) {
	t.Parallel()
	python, our := newRealClient(t), newOurClient(t)
	theirs := &side{t: t, name: "the real client", api: serve(t, "theirs"), run: python.run, seen: map[string]string{}}
	theirs.url = theirs.api.URL
	ours := &side{t: t, name: "our client", api: serve(t, "ours"), seen: map[string]string{}}
	ours.url = ours.api.URL
	ours.run = func(o order) outcome { return our.run("openstack", o) }
	compare(t, theirs, ours, []string{"--os-auth-type", "none", "--os-endpoint", "{url}"}, long())

	// Where nobody asks for more, ours shows just the columns that the predecessor's
	// server has the real client show, which has been told so here with -c.
	for _, line := range []string{
		"l2gw create few --device name=ps1,interface_names=eth1", "l2gw show few", "l2gw update few --name few",
	} {
		got := ours.run(order{Args: strings.Fields("--os-auth-type none --os-endpoint " + ours.url + " " + line + " -f json")})
		want := theirs.run(order{Args: slices.Concat(
			strings.Fields("--os-auth-type none --os-endpoint "+theirs.url+" "+line+" -f json"),
			strings.Fields("-c Devices -c ID -c Name -c Tenant"),
		)})
		if a, b := theirs.steady(want.Stdout), ours.steady(got.Stdout); a != b || want.Code != got.Code {
			t.Errorf("%s\ntheirs: %s%s\nours: %s%s", line, a, want.Stderr, b, got.Stderr)
		}
	}
}
