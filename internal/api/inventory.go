package api

import "net/http"

// mountInventory adds the state of the inventory, of which there is one.
func mountInventory(s *server) {
	for _, path := range spellings("l2-gateway-inventory") {
		s.handle(path, methods{http.MethodGet: s.inventory})
	}
}

// inventory tells whether the inventory can be read. Its networks are a collection of their own.
func (s *server) inventory(_ http.ResponseWriter, r *http.Request) (answer, error) {
	if err := s.allow(r.Context(), "get_l2_gateway_inventory", nil); err != nil {
		return answer{}, err
	}
	state := s.Networks.Inventory()
	return answer{http.StatusOK, object{{"l2_gateway_inventory", object{
		{"known", state.Known},
		{"error", state.Error},
		{"networks", state.Networks},
	}}}}, nil
}
