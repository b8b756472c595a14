package api

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestMessagesHaveWhatWasSentAsPythonWritesIt(t *testing.T) {
	for _, c := range []struct {
		sent any
		want string
	}{
		{"it's", "it's"},
		{nil, "None"},
		{json.Number("4.50"), "4.5"},
		{map[string]any{"name": "tor\u001b[2J", "ports": []any{true, json.Number("7"), "a'b"}}, `{'name': 'tor\x1b[2J', 'ports': [True, 7, "a'b"]}`},
		{[]any{"\u202e\u0085"}, `['\u202e\x85']`}, // no trick with the direction of writing either
		{strings.Repeat("é", 301), strings.Repeat("é", 300) + "…"},
	} {
		if got := str(c.sent); got != c.want {
			t.Errorf("%#v: %s, want %s", c.sent, got, c.want)
		}
	}
}
