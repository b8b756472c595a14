package api

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"l2gw"
	"l2gw/internal/store"
)

// Store keeps the intent. Its errors are [l2gw.Error] values; any other is
// unforeseen. Every method may be called by any number of goroutines at once.
type Store interface {
	// Gateways and Connections take the filters, order and page of a query.
	Gateways(ctx context.Context, q store.Query) ([]l2gw.Gateway, error)
	Gateway(ctx context.Context, id string) (l2gw.Gateway, error)
	// GatewaysWithID are those of these gateways that exist, in any order.
	GatewaysWithID(ctx context.Context, ids []string) ([]l2gw.Gateway, error)
	// CreateGateways stores all or none and returns them with ids, times and revisions.
	CreateGateways(ctx context.Context, all []l2gw.Gateway) ([]l2gw.Gateway, error)
	UpdateGateway(ctx context.Context, id string, change func(*l2gw.Gateway) error) (l2gw.Gateway, error)
	DeleteGateway(ctx context.Context, id string) error

	Connections(ctx context.Context, q store.Query) ([]l2gw.Connection, error)
	Connection(ctx context.Context, id string) (l2gw.Connection, error)
	// CreateConnections stores all or none. It reports conflicts with what is stored.
	CreateConnections(ctx context.Context, all []l2gw.Connection) ([]l2gw.Connection, error)
	DeleteConnection(ctx context.Context, id string) error
	// Repeated returns what a write with this key created (see store.WithRepeat), and
	// false if there was none. It fails with Conflict if the key stands for another.
	Repeated(ctx context.Context, key, digest string) (ids []string, done bool, err error)
	// ConnectionBindings are what connections expand into, by connection id.
	ConnectionBindings(ctx context.Context, ids ...string) (map[string][]l2gw.Binding, error)

	Quotas
}

// Status tells how far intent has become true. It answers at once, from memory.
type Status interface {
	// Connection returns no bindings for a connection that it has not seen yet.
	Connection(id string) (status l2gw.Status, reason string, bindings []l2gw.BindingStatus)
	Gateway(id string) (status l2gw.Status, reason string)
}

// Networks tells which networks and ports there are.
type Networks interface {
	// Network fails with NotFound for a network that is not there, and with
	// Unavailable while it is not known what is there.
	Network(ctx context.Context, id string) (l2gw.Network, error)
	// Directory fails with Unavailable while it is not known what is there.
	Directory(ctx context.Context) (*l2gw.Directory, error)
	// Inventory tells whether it is known what is there, and why it cannot be read if it cannot.
	Inventory() l2gw.InventoryState
}

// Devices tells what switches were seen and what they hold.
type Devices interface {
	// Databases are immutable and in a stable order.
	Databases() []l2gw.DatabaseState
	// MACs returns what a switch knows, and false if no switch has that name.
	MACs(device string) ([]l2gw.MACEntry, bool)
	// Validate compares afresh. That a switch could not be asked is told in
	// Validation.Error; the error is for a device that nobody knows.
	Validate(ctx context.Context, device string) (l2gw.Validation, error)
}

// Agents tells what agents there are.
type Agents interface {
	// Agents are those that this server hears, and those that it heard lately, in a stable order.
	Agents() []l2gw.AgentState
}

// Commands carries out what operators ask of a switch database. A database is
// named by itself or by one of its switches. Each method returns when the agents
// have done it. Errors: NotFound if nobody knows the name; Unavailable if this
// server is not the controller, with the name of the one that is, or if no agent
// can be asked; Conflict if the agent cannot do it.
type Commands interface {
	SetMode(ctx context.Context, name string, mode l2gw.Mode) error
	// Release lets go of the removals that are held: of one network, or of all if networkID is "".
	Release(ctx context.Context, name, networkID string) error
	// Resync looks at the whole database at once instead of at the next audit.
	Resync(ctx context.Context, name string) error
}

// Options are what an API is made of.
type Options struct {
	Store    Store
	Status   Status
	Networks Networks
	Devices  Devices
	Agents   Agents       // nil: there are none
	Commands Commands     // nil: they are all Unavailable
	Logger   *slog.Logger // nil: slog.Default

	// Authenticate says who calls; nil: [NoAuth]. An error refuses the request:
	// Unauthorized (401) and Unavailable (503) are those that are expected.
	Authenticate func(*http.Request) (Caller, error)
	// Challenge is the header WWW-Authenticate of a 401: `Keystone uri="https://…"`.
	Challenge      string
	Policy         Policy // nil: whoever is an administrator may do everything, others nothing
	TrustedProxies Proxies
	// Observe is told of each request that was answered; nil: nobody is. It must not wait.
	Observe func(Request)
	// BaseURL is how clients reach us, for links in answers, without a slash at
	// the end: "https://cloud.example:9696". "": as the request says.
	BaseURL string
}

// Request is a request that was answered.
type Request struct {
	// Method is a method that some route has, or "other".
	Method string
	// Route is the path as the API knows it, such as "/v2.0/l2-gateways/{id}";
	// "other" if it knows none.
	Route  string
	Status int
	Took   time.Duration
}

// New returns the API.
func New(o Options) http.Handler {
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	if o.Authenticate == nil {
		o.Authenticate = NoAuth
	}
	if o.Policy == nil {
		o.Policy = adminOnly{}
	}
	if o.Observe == nil {
		o.Observe = func(Request) {}
	}
	o.Authenticate = noted(o.Authenticate)
	s := &server{Options: o, mux: http.NewServeMux(), places: make(chan struct{}, atOnce), origins: http.NewCrossOriginProtection()}
	s.offerAll()
	s.mountRoutes()
	return s.observe(http.HandlerFunc(s.dispatch))
}
