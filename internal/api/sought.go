package api

import (
	"slices"
	"strings"
	"time"
)

// sought are the texts of a filter. A client may name thousands, and each of 100,000
// objects is compared with them.
type sought struct {
	texts   []string // sorted
	yes, no bool     // whether "true" and "false" are among them, in whatever case
}

func seek(wanted []string) sought {
	is := func(word string) bool {
		return slices.ContainsFunc(wanted, func(s string) bool { return strings.EqualFold(s, word) })
	}
	return sought{slices.Sorted(slices.Values(wanted)), is("true"), is("false")}
}

func (s sought) has(text string) bool {
	_, found := slices.BinarySearch(s.texts, text)
	return found
}

// bySecond finds a time as the store does: in whatever zone, by the second.
func bySecond[T any](at func(*T) time.Time) func(wanted []string) func(*T) bool {
	return func(wanted []string) func(*T) bool {
		seconds := map[int64]bool{}
		for _, text := range wanted {
			if t, err := time.Parse(time.RFC3339, text); err == nil {
				seconds[t.Unix()] = true
			}
		}
		return func(x *T) bool { return seconds[at(x).Unix()] }
	}
}
