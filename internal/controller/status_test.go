package controller

import (
	"fmt"
	"strings"
	"testing"

	"l2gw"
)

func TestAPendingBindingNamesAFewOfManyDatabasesThatAreAway(t *testing.T) {
	c := New(Options{})
	s := &c.state
	b := l2gw.Binding{BindingKey: l2gw.BindingKey{Device: "ps", Interface: "eth1", VLAN: 7}, NetworkID: "a"}
	s.setBinding(b, true)
	for i := range 9 {
		s.database(fmt.Sprint("tor", 9-i))
	}
	status, reason := s.bindingStatus(b)
	if want := "not connected: tor1, tor2, tor3, tor4, tor5 and 4 more"; status != l2gw.StatusPending || !strings.HasSuffix(reason, want) {
		t.Errorf("%s: %q, want PENDING … %q", status, reason, want)
	}
	if n := c.Figures().Bindings[l2gw.StatusPending]; n != 1 {
		t.Errorf("%d bindings are counted as PENDING, want 1", n)
	}
}
