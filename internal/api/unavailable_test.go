package api_test

import (
	"context"
	"testing"

	"l2gw"
	"l2gw/internal/store"
)

// awayStore is a store whose database cannot be reached.
type awayStore struct{ *store.Store }

func (awayStore) Gateway(context.Context, string) (l2gw.Gateway, error) {
	return l2gw.Gateway{}, l2gw.ServiceUnavailable("The database", nil)
}

func (awayStore) Connection(context.Context, string) (l2gw.Connection, error) {
	return l2gw.Connection{}, l2gw.ServiceUnavailable("The database", nil)
}

// Members who see what is their project's were once told, while the database was
// away, that they had no right to it: 403, which no client tries again.
func TestADatabaseThatIsAwayIsNotALackOfRights(t *testing.T) {
	w := guarded(t, opened)
	w.serve(awayStore{w.store})
	const away = `503 {"NeutronError": {"type": "ServiceUnavailable", "message": "The database is not available at the moment. Try again later.", "detail": ""}}`
	for _, c := range []struct{ who, method, path, body, want string }{
		{"admin", "GET", gatewaysPath + "/x", "", away},
		{"alice", "GET", gatewaysPath + "/x", "", away},
		{"alice", "PUT", gatewaysPath + "/x", `{"l2_gateway": {"name": "y"}}`, away},
		{"alice", "DELETE", gatewaysPath + "/x", "", away},
		{"alice", "GET", connectionsPath + "/x", "", away},
		{"alice", "DELETE", connectionsPath + "/x", "", away},
		{"alice", "GET", gatewaysPath + "?marker=x", "", away},
		{"reader", "GET", gatewaysPath + "/x", "", away},
		// who may not, whatever it is, is told so as ever
		{"reader", "DELETE", gatewaysPath + "/x", "", noGet},
		{"nobody", "GET", gatewaysPath + "/x", "", noGet},
		{"nowhere", "GET", gatewaysPath + "/x", "", noGet},
	} {
		if got := w.as(c.who).says(c.method, c.path, c.body); got != c.want {
			t.Errorf("%s: %s %s: %s", c.who, c.method, c.path, got)
		}
	}
}
