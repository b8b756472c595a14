package main

import (
	"github.com/spf13/pflag"

	"l2gw"
	"l2gw/internal/store"
)

// quotaOptions say how much a project may have that has no quota of its own.
type quotaOptions struct {
	any, gateways, connections int
	flags                      *pflag.FlagSet
}

// The options, by what they limit.
const (
	anyQuota        = "default-quota"
	gatewayQuota    = "quota-l2-gateway"
	connectionQuota = "quota-l2-gateway-connection"
)

func (o *quotaOptions) addFlags(f *pflag.FlagSet) {
	o.flags = f
	f.IntVar(&o.any, anyQuota, l2gw.Unlimited, "how many of anything a project may have, unless it is told otherwise; -1: any number")
	f.IntVar(&o.gateways, gatewayQuota, l2gw.Unlimited, "how many gateways a project may have that has no quota of its own; -1: any number")
	f.IntVar(&o.connections, connectionQuota, l2gw.Unlimited, "how many connections a project may have that has no quota of its own; -1: any number")
}

// hide is for commands that create nothing, and yet share ini files with servers.
func (o *quotaOptions) hide() {
	for _, name := range []string{anyQuota, gatewayQuota, connectionQuota} {
		o.flags.Lookup(name).Hidden = true
	}
}

// defaults are for the store.
func (o *quotaOptions) defaults() store.Option {
	limits := map[string]int{l2gw.QuotaGateways: o.any, l2gw.QuotaConnections: o.any}
	if o.flags.Changed(gatewayQuota) {
		limits[l2gw.QuotaGateways] = o.gateways
	}
	if o.flags.Changed(connectionQuota) {
		limits[l2gw.QuotaConnections] = o.connections
	}
	return store.WithQuotaDefaults(limits)
}
