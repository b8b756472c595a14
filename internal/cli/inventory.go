package cli

import (
	"context"
	"net/http"
)

func (a *app) inventory(ctx context.Context) (inventory, error) {
	const path = "/l2-gateway-inventory"
	i, err := send[inventory](ctx, a, http.MethodGet, path, "l2_gateway_inventory", nil)
	return i, a.doubted(path, err)
}

// status puts the state of the inventory into the word that the rest of the product uses.
func (i inventory) status() string {
	switch {
	case i.Error != "":
		return "ERROR"
	case !i.Known:
		return "BUILD"
	}
	return active
}

// trouble says what is wrong with the inventory and what that means, or "".
func (i inventory) trouble() string {
	switch {
	case i.Error != "" && i.Known:
		return "the last good one stays in force: " + i.Error
	case i.Error != "":
		return "no network is known yet: " + i.Error
	case !i.Known:
		return "it has not been read yet"
	}
	return ""
}
