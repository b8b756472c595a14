package ovsdbd

import (
	"strings"
	"testing"
)

func TestAServerStartsKeepsItsRowsAndCanBeWiped(t *testing.T) {
	s := Start(t, Options{})
	s.Transact("hardware_vtep", `{"op":"insert","table":"Logical_Switch","row":{"name":"net-a","tunnel_key":5001}}`)
	s.Kill()
	s.Run()
	if out := s.Dump("hardware_vtep", "Logical_Switch", "name"); !strings.Contains(out, "net-a") {
		t.Errorf("the row is gone after a restart:\n%s", out)
	}
	s.Wipe()
	if out := s.Dump("hardware_vtep", "Logical_Switch", "name"); strings.Contains(out, "net-a") {
		t.Errorf("the row is there after a wipe:\n%s", out)
	}
}
