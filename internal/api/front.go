package api

// ExtensionAliases are the extensions that this API has.
func ExtensionAliases() []string {
	aliases := make([]string, len(extensions))
	for i, e := range extensions {
		aliases[i] = e.alias
	}
	return aliases
}

// QuotaResources are the resources whose number can be limited.
func QuotaResources() []string { return []string{"l2_gateway", "l2_gateway_connection"} }
