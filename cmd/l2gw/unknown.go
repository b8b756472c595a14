package main

import (
	"maps"
	"slices"
	"strings"
)

// osloPolicyIgnored are the options of oslo.policy that mean nothing here: rules
// that ask a server of the operator's (http:) have options of their own there.
var osloPolicyIgnored = []string{
	"remote_content_type", "remote_timeout", "remote_ssl_verify_server_crt", "remote_ssl_ca_crt_file",
	"remote_ssl_client_crt_file", "remote_ssl_client_key_file",
}

// misspelt reports whether an option that nobody has read seems to be meant for us,
// and what is to be said of that. Keys are the options of this command.
//
// The files may be Neutron's, in which other programs have options of their own: in
// a section that is not ours alone, only what can be nobody else's is told.
func misspelt(k key, keys map[string]key, sections []section) (is bool, hint string) {
	ours := map[string]bool{"l2gw": true, "ovsdb": true}
	for _, s := range sections {
		ours[s.name] = true
	}
	for _, other := range keys {
		switch other.section {
		case "oslo_policy", "database":
			ours[other.section] = true
		case "quotas":
			ours["quotas"] = k.section != "quotas" || strings.HasPrefix(k.name, "quota_l2")
		}
	}
	for _, known := range []map[string]key{commonKeys, serveKeys, agentKeys, databaseKeys} {
		if slices.Contains(slices.Collect(maps.Values(known)), k) {
			return false, ""
		}
	}
	switch {
	case k.section == "oslo_policy" && slices.Contains(osloPolicyIgnored, k.name),
		k.section == "database" && slices.Contains(osloDBIgnored, k.name):
		return false, ""
	case ours[k.section]:
		return true, ""
	}
	for section := range ours {
		if plainSection(section) == plainSection(k.section) {
			return true, ": the section is called [" + section + "]"
		}
	}
	return false, ""
}

// plainSection is a section's name without what is easily mistaken in it.
func plainSection(name string) string {
	return strings.TrimSuffix(strings.ToLower(strings.NewReplacer("-", "", "_", "", " ", "").Replace(name)), "s")
}
