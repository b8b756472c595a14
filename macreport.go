package l2gw

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// MACReportKind is the reason why a learned MAC is not told of as it was learned.
type MACReportKind string

// The kinds of reports of a [MACTable].
const (
	MACConflict  MACReportKind = "conflict"   // the inventory knows the MAC behind another VTEP
	MACFrozen    MACReportKind = "frozen"     // the MAC moved too often
	MACOverLimit MACReportKind = "over-limit" // the database has learned too many
)

// MACReport is something about learned MACs that an operator should know.
type MACReport struct {
	Kind MACReportKind
	// Database is where the MAC was learned, for a frozen MAC where it is taken to be.
	Database string
	MAC      MAC    // zero for MACOverLimit
	Reason   string // a sentence
}

// Reports returns all that there is to report at the moment, in a stable order.
func (t *MACTable) Reports() []MACReport {
	var reports []MACReport
	for mac := range t.conflicts {
		e := t.entries[mac]
		known, _ := t.inventory.Get(mac)
		reports = append(reports, MACReport{MACConflict, e.source, mac, fmt.Sprintf(
			"%s was learned behind %s (%s), but the inventory knows it behind %s: a loop, or somebody uses another's address",
			mac, e.host.VTEP, e.source, known.VTEP)})
	}
	for mac := range t.frozen {
		e := t.entries[mac]
		reports = append(reports, MACReport{MACFrozen, e.source, mac, fmt.Sprintf(
			"%s moved more than %d times in %.0f s (claimed by %s): it stays behind %s (%s) until it has been quiet for %.0f s",
			mac, MaxMoves, MoveWindow.Seconds(), cmp.Or(t.claimants(mac), "nobody"), e.host.VTEP, e.source, MoveWindow.Seconds())})
	}
	for name, s := range t.sources {
		if n := s.waitingLen(); n > 0 {
			reports = append(reports, MACReport{MACOverLimit, name, MAC{}, fmt.Sprintf(
				"%s learned %d MACs more than the limit of %d for a network: the others are not told of them and flood instead", name, n, t.limit)})
		}
	}
	slices.SortFunc(reports, func(a, b MACReport) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), a.MAC.Compare(b.MAC), cmp.Compare(a.Database, b.Database))
	})
	return reports
}

// claimants lists who says to have the MAC.
func (t *MACTable) claimants(mac MAC) string {
	var all []string
	for _, name := range slices.Sorted(maps.Keys(t.sources)) {
		if c := t.sources[name].claims[mac]; c != nil && c.queued == 0 {
			all = append(all, fmt.Sprintf("%s behind %s", name, c.host.VTEP))
		}
	}
	return strings.Join(all, ", ")
}
