package api

import "slices"

// chosen are the attributes that a query names in fields, each once: nil if it
// names none, which means all. A client may name thousands, and of each it is asked
// for each object whether it is shown.
func (t table[T]) chosen(fields []string) []string {
	if len(fields) == 0 {
		return nil
	}
	const nothing = "" // no attribute's name: who asks for unknown ones alone sees none
	known := []string{nothing}
	for _, name := range fields {
		if t.find(name) != nil && !slices.Contains(known, name) {
			known = append(known, name)
		}
	}
	return known
}
