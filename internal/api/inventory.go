package api

import "net/http"

// mountInventory adds the state of the inventory, of which there is one.
func mountInventory(s *server) {
	s.offer(offered{
		method: http.MethodGet, path: "/v2.0/l2-gateway-inventory", do: s.inventory,
		rules: adminsMay("get_l2_gateway_inventory", "Show whether the inventory is known"),
		doc: operationDoc{
			id: "show_l2_gateway_inventory", tag: "l2_gateway_inventory", status: http.StatusOK,
			summary: "Show whether it is known which networks there are",
			answer: record(field{"l2_gateway_inventory", record(
				field{"known", kind("boolean"), "Whether a complete inventory was read, now or before a restart."},
				field{"error", kind("string"), "Why it cannot be read now, or empty. What is known stays in force."},
				field{"networks", between(0, 1<<31-1), "How many networks are known."},
			), "The state of the inventory."}),
			example: object{{"l2_gateway_inventory", object{{"known", true}, {"error", ""}, {"networks", 2}}}},
		},
	})
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
