package api

import (
	"encoding/json"
	"net/http"
)

// maxBody is the largest request body, in bytes.
const maxBody = 1 << 20

// readBody reads what the client sent as a JSON value; nil if it sent nothing.
// Numbers stay as they are written (json.Number), so that 1.5, 1e400 and 5.0 can
// be told from 5.
func readBody(w http.ResponseWriter, r *http.Request) (any, error) {
	data, err := receive(w, r)
	if err != nil {
		return nil, err
	}
	return parseBody(data)
}

// unwrap takes the resources out of a request body: one under its own name, or
// a list under the collection's. Both at once are refused: whichever was taken,
// the other would be lost without a word.
func unwrap(v any, name, collection string) (items []map[string]any, bulk bool, err error) {
	var body map[string]any
	switch v := v.(type) {
	case map[string]any:
		body = v
	case string, json.Number:
		return nil, false, badRequest("Body contains invalid data")
	case bool:
		if v {
			return nil, false, badRequest("Body contains invalid data")
		}
	case []any:
		if len(v) > 0 {
			return nil, false, badRequest("Body contains invalid data")
		}
	}
	if len(body) == 0 {
		return nil, false, badRequest("Resource body required")
	}
	list, bulk := body[collection]
	if _, one := body[name]; one && bulk {
		return nil, false, badRequest("The request body has both '%s' and '%s': it must have one of them", name, collection)
	}
	if bulk {
		items, err = unwrapList(list, name, collection)
		return items, true, err
	}
	switch item := body[name].(type) {
	case nil:
		return nil, false, badRequest("Unable to find '%s' in request body", name)
	case map[string]any:
		return []map[string]any{item}, false, nil
	default:
		return nil, false, badRequest("Object '%s' contains invalid data", name)
	}
}

func unwrapList(v any, name, collection string) ([]map[string]any, error) {
	list, ok := v.([]any)
	if !ok {
		return nil, badRequest("Object '%s' contains invalid data", collection)
	}
	if len(list) == 0 {
		return nil, badRequest("Resources required")
	}
	items := make([]map[string]any, len(list))
	for i, v := range list {
		item, ok := v.(map[string]any)
		if inner, wrapped := item[name]; ok && wrapped {
			if len(item) > 1 {
				return nil, badRequest("Object '%s' has other keys beside it", name)
			}
			item, ok = inner.(map[string]any) // Neutron takes {"l2_gateways": [{"l2_gateway": {…}}]} as well
		}
		if !ok {
			return nil, badRequest("Object '%s' contains invalid data", name)
		}
		items[i] = item
	}
	return items, nil
}
