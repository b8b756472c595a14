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

// Part is a request of which the API answers a part. Who puts the parts together
// logs and counts it.
type Part struct {
	ID     string  // of the whole, under which the log has the part, too
	Caller *Caller // who asks, as the API found out; nil: nobody whom it knows
}

type partKey struct{}

// Context makes a request with this context one for that part, which is given no
// line of its own in the log.
func (p *Part) Context(ctx context.Context) context.Context {
	return context.WithValue(ctx, partKey{}, p)
}

func partOf(ctx context.Context) *Part {
	p, _ := ctx.Value(partKey{}).(*Part)
	return p
}

type rehearsalKey struct{}

// Rehearse lets a PUT of quotas with this context be answered as if it were made,
// from the body to the database, and not be made: whoever changes something else
// with it looks first whether it can be done.
func Rehearse(ctx context.Context) context.Context {
	return context.WithValue(ctx, rehearsalKey{}, true)
}

func isRehearsal(ctx context.Context) bool { return ctx.Value(rehearsalKey{}) != nil }
