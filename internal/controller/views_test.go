package controller

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"l2gw"
)

func TestADatabaseWithRowsOfOursThatNobodyServesIsTold(t *testing.T) {
	c := New(Options{Store: &memory{owned: map[string]l2gw.Ownership{"tor1": {Networks: map[string]l2gw.VNI{"net-a": 5001}}}}})
	if err := c.load(t.Context()); err != nil {
		t.Fatal(err)
	}
	// What an agent told of it before that went away is not what is so now.
	c.locked(func() {
		c.state.databases["tor1"].observed = l2gw.DatabaseState{Name: "tor1", Connected: true, InSync: true, Schema: "1.7.0"}
	})
	want := []l2gw.DatabaseState{{Name: "tor1", Schema: "1.7.0", Error: "no agent serves it"}}
	if diff := cmp.Diff(want, c.Databases()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
