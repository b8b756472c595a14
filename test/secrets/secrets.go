package secrets

import (
	"bytes"
	"encoding/base64"
	"net/url"
	"slices"
	"strconv"
	"sync"
)

// shortest is the length below which a text is not taken for a secret: it would
// be found everywhere.
const shortest = 8

var kept struct {
	sync.Mutex
	all []string
}

// Keep remembers secrets. Texts of less than eight bytes are not kept.
func Keep(all ...string) {
	kept.Lock()
	defer kept.Unlock()
	for _, s := range all {
		if len(s) >= shortest && !slices.Contains(kept.all, s) {
			kept.all = append(kept.all, s)
		}
	}
}

// Count is how many secrets are kept.
func Count() int {
	kept.Lock()
	defer kept.Unlock()
	return len(kept.all)
}

// In returns the secrets that a text has in it, also quoted, as in a URL or in base64, each as
// its first four bytes, so that the report of a leak is none.
func In(text []byte) (found []string) {
	kept.Lock()
	defer kept.Unlock()
	for _, s := range kept.all {
		quoted := strconv.Quote(s)
		for _, form := range []string{s, quoted[1 : len(quoted)-1], url.QueryEscape(s), url.PathEscape(s), base64.StdEncoding.EncodeToString([]byte(s))} {
			if bytes.Contains(text, []byte(form)) {
				found = append(found, s[:4]+"…")
				break
			}
		}
	}
	return found
}
