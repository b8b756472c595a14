package agent

import (
	"slices"

	"l2gw"
	"l2gw/internal/fabric"
	"l2gw/internal/vtep"
)

// maxRequests is how many requests are remembered of one network.
const maxRequests = 16

// noteRequests remembers which API requests the controller's words come from.
func (d *database) noteRequests(m fabric.ToAgent) {
	b, ok := m.(fabric.Bindings)
	if !ok {
		return
	}
	note := func(network, request string) {
		list := d.because[network]
		if request == "" || network == "" || slices.Contains(list, request) {
			return
		}
		if len(list) >= maxRequests {
			list = list[1:]
		}
		d.because[network] = append(list, request)
	}
	for _, u := range b.Unset {
		if id, ours := d.replica.Owned.Bindings[u.BindingKey]; ours && u.Request != "" {
			d.unbound[u.BindingKey] = u.Request
			note(id, u.Request)
		}
	}
	for _, set := range b.Set {
		delete(d.unbound, set.BindingKey)
		if !d.staged { // else it may be long done
			note(set.NetworkID, set.Request)
		}
	}
}

// requestOf is the API request because of which something is written, or "" if
// there is none: the inventory may be the cause, or what somebody did to the switch.
func (d *database) requestOf(s vtep.Subject) string {
	if s.Binding != (l2gw.BindingKey{}) {
		if b, wanted := d.replica.Bindings[s.Binding]; wanted {
			return b.Request
		}
		return d.unbound[s.Binding]
	}
	if list := d.because[s.Network]; len(list) > 0 {
		return list[len(list)-1]
	}
	return ""
}

// forgetRequests forgets what has been carried out: later changes have other causes.
func (d *database) forgetRequests(scope vtep.Scope) {
	if scope.All {
		clear(d.because)
	}
	for id := range scope.Networks {
		delete(d.because, id)
	}
	for k := range d.unbound {
		if _, ours := d.replica.Owned.Bindings[k]; !ours {
			delete(d.unbound, k)
		}
	}
}
