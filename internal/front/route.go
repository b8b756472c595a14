package front

import "strings"

// side is who answers a path.
type side int

const (
	neutrons   side = iota // it is passed on
	ours                   // our API answers
	nowhere                // nobody does
	extensions             // the list of extensions, put together
	extension              // one extension: ours or Neutron's
	root                   // the list of collections, put together
	quotas                 // the list of quotas, put together
	quota                  // the limits of a project: to read, set and remove in both
	quotaPart              // its defaults or details: to read, put together
)

// place says who answers a decoded path, and what of it names an object: the alias
// of an extension, the id of a project, with "/default" or "/details" if the path
// goes on so. Repeated slashes are one, as Neutron's paste.urlmap has it.
func place(path string) (who side, name string) {
	var s []string
	for part := range strings.SplitSeq(path, "/") {
		switch part {
		case "":
		case ".", "..":
			return nowhere, ""
		default:
			s = append(s, part)
		}
	}
	if len(s) == 0 || s[0] != "v2.0" {
		return neutrons, ""
	}
	if len(s) == 1 {
		return root, ""
	}
	if strings.HasPrefix(s[1], "l2-gateway") || strings.HasPrefix(s[1], "l2_gateway") || len(s) == 2 && s[1] == "openapi.json" {
		return ours, ""
	}
	s[len(s)-1] = strings.TrimSuffix(s[len(s)-1], ".json")
	switch s[1] {
	case "extensions":
		switch len(s) {
		case 2:
			return extensions, ""
		case 3:
			return extension, s[2]
		}
	case "quotas":
		switch {
		case len(s) == 2:
			return quotas, ""
		case len(s) == 3 && s[2] != "tenant" && s[2] != "project": // these tell the caller's own project
			return quota, s[2]
		case len(s) == 4 && (s[3] == "default" || s[3] == "details"):
			return quotaPart, s[2] + "/" + s[3]
		}
	}
	return neutrons, ""
}
