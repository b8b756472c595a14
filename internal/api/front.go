package api

import (
	"context"
	"slices"
)

// Loggable is as much as the log has of what a client may make as long as it likes.
func Loggable(s string) string { return loggable(s) }

// ExtensionAliases are the extensions that this API has.
func ExtensionAliases() []string {
	aliases := make([]string, len(extensions))
	for i, e := range extensions {
		aliases[i] = e.alias
	}
	return aliases
}

// QuotaResources are the resources whose number can be limited.
func QuotaResources() []string { return slices.Clone(quotaNames) }

type rehearsalKey struct{}

// Rehearse lets a PUT of quotas with this context be answered as if it were made,
// from the body to the database, and not be made: whoever changes something else
// with it looks first whether it can be done.
func Rehearse(ctx context.Context) context.Context {
	return context.WithValue(ctx, rehearsalKey{}, true)
}

func isRehearsal(ctx context.Context) bool { return ctx.Value(rehearsalKey{}) != nil }
