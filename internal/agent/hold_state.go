package agent

import (
	"maps"
	"slices"
	"time"

	"l2gw/internal/vtep"
)

// holdState is what holds remember over a restart. What was let through within
// the last minute is not part of it.
type holdState struct {
	Highest  int64                   `json:"highest_revision,omitempty"`
	Heard    int64                   `json:"last_revision,omitempty"`
	Restored time.Time               `json:"restored_since,omitzero"`
	Whole    map[string]vtep.Removal `json:"whole,omitempty"`
	Released []string                `json:"released,omitempty"`
	Let      map[string]int          `json:"let,omitempty"` // rows that may go of a network
	Networks []heldState             `json:"networks,omitempty"`
}

type heldState struct {
	Network string    `json:"network"`
	Since   time.Time `json:"since"`
	Reason  string    `json:"reason"`
	Rows    int       `json:"rows"`
	Total   int       `json:"total"`
	Peak    int       `json:"peak"`
	Shared  bool      `json:"shared,omitempty"`
	Lost    bool      `json:"lost,omitempty"`
}

// state is to be kept on disk whenever changes has grown.
func (h *holds) state() holdState {
	s := holdState{
		Highest: h.highest, Heard: h.heard, Restored: h.restored, Whole: maps.Clone(h.whole),
		Released: slices.Sorted(maps.Keys(h.released)), Let: maps.Clone(h.let),
	}
	for _, id := range slices.Sorted(maps.Keys(h.networks)) {
		n := h.networks[id]
		s.Networks = append(s.Networks, heldState{
			Network: id, Since: n.since, Reason: n.reason, Rows: n.rows, Total: n.total, Peak: n.peak, Shared: n.shared, Lost: n.lost,
		})
	}
	return s
}

// restore takes over what was kept on disk. It is for holds that have judged nothing yet.
func (h *holds) restore(s holdState) {
	h.highest, h.heard, h.restored = s.Highest, s.Heard, s.Restored
	maps.Copy(h.whole, s.Whole)
	maps.Copy(h.let, s.Let)
	for _, id := range s.Released {
		h.released[id] = true
	}
	for _, n := range s.Networks {
		h.networks[n.Network] = &held{
			since: n.Since, reason: n.Reason, rows: n.Rows, total: n.Total, peak: n.Peak, shared: n.Shared, lost: n.Lost,
		}
		if n.Shared {
			h.peak += n.Peak
		}
	}
	h.changes++
}
