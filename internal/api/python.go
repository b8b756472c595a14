package api

import "l2gw/internal/python"

// str writes a value of a request as Neutron's messages do, that is as Python's str:
// a text stands for itself. What is long is cut.
func str(v any) string {
	s := python.Str(v)
	const limit = 300
	if runes := []rune(s); len(runes) > limit {
		return string(runes[:limit]) + "…"
	}
	return s
}
