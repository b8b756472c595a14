package cli

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
)

// maxAnswer is the largest answer that is read, in bytes.
const maxAnswer = 256 << 20

// Resources as the API shows them, as far as the commands need them.
type (
	gateway struct {
		ID           string   `json:"id"`
		Name         string   `json:"name"`
		Devices      []device `json:"devices"`
		TenantID     string   `json:"tenant_id"`
		ProjectID    string   `json:"project_id"`
		Description  string   `json:"description"`
		CreatedAt    string   `json:"created_at"`
		UpdatedAt    string   `json:"updated_at"`
		Revision     int      `json:"revision_number"`
		Status       string   `json:"status"`
		StatusReason string   `json:"status_reason"`
	}
	device struct {
		DeviceName string `json:"device_name,omitempty"`
		ID         string `json:"id,omitempty"`
		Interfaces []port `json:"interfaces,omitempty"`
	}
	port struct {
		SegmentationID []string `json:"segmentation_id,omitempty"`
		Name           string   `json:"name"`
	}
	connection struct {
		ID             string    `json:"id"`
		NetworkID      string    `json:"network_id"`
		L2GatewayID    string    `json:"l2_gateway_id"`
		TenantID       string    `json:"tenant_id"`
		ProjectID      string    `json:"project_id"`
		Description    string    `json:"description"`
		CreatedAt      string    `json:"created_at"`
		UpdatedAt      string    `json:"updated_at"`
		Revision       int       `json:"revision_number"`
		SegmentationID any       `json:"segmentation_id"` // a number, or text
		Status         string    `json:"status"`
		StatusReason   string    `json:"status_reason"`
		Bindings       []binding `json:"bindings"`
	}
	binding struct {
		DeviceName     string `json:"device_name"`
		InterfaceName  string `json:"interface_name"`
		SegmentationID int    `json:"segmentation_id"`
		Status         string `json:"status"`
		StatusReason   string `json:"status_reason"`
	}
	network struct {
		ID   string `json:"id"`
		Name string `json:"name"`
	}
	inventory struct {
		Known    bool   `json:"known"`
		Error    string `json:"error"`
		Networks int    `json:"networks"`
	}
	switchState struct {
		Name         string         `json:"name"`
		Database     string         `json:"database"`
		Agent        string         `json:"agent"`
		Status       string         `json:"status"`
		StatusReason string         `json:"status_reason"`
		Connected    bool           `json:"connected"`
		InSync       bool           `json:"in_sync"`
		LastSyncAt   *time.Time     `json:"last_sync_at"`
		TunnelIPs    []string       `json:"tunnel_ips"`
		Faults       []string       `json:"faults"`
		Schema       string         `json:"schema_version"`
		Losses       []string       `json:"losses"`
		Ports        []switchPort   `json:"ports"`
		Rows         map[string]int `json:"rows"`
		Writer       bool           `json:"writer"`
		Lock         string         `json:"lock"`
		Mode         string         `json:"mode"`
		Held         []heldRemoval  `json:"held"`
	}
	heldRemoval struct {
		NetworkID string     `json:"network_id"`
		Rows      int        `json:"rows"`
		Total     int        `json:"total"`
		Reason    string     `json:"reason"`
		Since     *time.Time `json:"since"`
		Confirms  bool       `json:"confirms"`
	}
	agent struct {
		Name      string          `json:"name"`
		Host      string          `json:"host"`
		Version   string          `json:"version"`
		Alive     bool            `json:"alive"`
		Address   string          `json:"address"`
		Since     *time.Time      `json:"since"`
		Databases []agentDatabase `json:"databases"`
	}
	agentDatabase struct {
		Name      string `json:"name"`
		Connected bool   `json:"connected"`
		Writer    bool   `json:"writer"`
		Refused   string `json:"refused"`
	}
	switchPort struct {
		Name     string   `json:"name"`
		Faults   []string `json:"faults"`
		Bindings []struct {
			SegmentationID int    `json:"segmentation_id"`
			LogicalSwitch  string `json:"logical_switch"`
			Ours           bool   `json:"ours"`
		} `json:"bindings"`
	}
	macEntry struct {
		MACAddress  string   `json:"mac_address"`
		NetworkID   string   `json:"network_id"`
		Origin      string   `json:"origin"`
		VTEP        string   `json:"vtep"`
		IPAddresses []string `json:"ip_addresses"`
		Note        string   `json:"note"`
	}
	validation struct {
		Device      string       `json:"device"`
		Database    string       `json:"database"`
		InSync      bool         `json:"in_sync"`
		Differences []difference `json:"differences"`
		Error       string       `json:"error"`
	}
	difference struct {
		Table  string `json:"table"`
		Row    string `json:"row"`
		Wanted string `json:"wanted"`
		Held   string `json:"held"`
	}
)

// call sends a request to the API and reads the answer into out (nil: there is none).
// See [persistence] for when it is sent again.
func (a *app) call(ctx context.Context, method, path string, in, out any) error {
	if method == http.MethodGet {
		return a.deliver(ctx, harmless, method, path, in, out)
	}
	return a.deliver(ctx, byKey, method, path, in, out)
}

// deliver is call for a request that may be sent again as twice says.
func (a *app) deliver(ctx context.Context, twice repetition, method, path string, in, out any) error {
	if err := a.enter(ctx); err != nil {
		return err
	}
	reads := method == http.MethodGet
	key := ""
	if !reads {
		keyed, err := a.meet(ctx)
		if err != nil {
			return err
		}
		if keyed && twice == byKey {
			key = uuid.NewString()
		}
	}
	safe := twice == harmless || key != ""
	for done := false; ; {
		err := a.askAsUser(ctx, method, path, key, in, out)
		done = done || !reads && mayBeDone(err)
		switch {
		case a.again(ctx, err, safe):
		case done && temporary(err), !reads && mayBeDone(err):
			return unsure(err)
		default:
			return err
		}
	}
}

// askAsUser sends a request to the API with a token, if there is a login.
func (a *app) askAsUser(ctx context.Context, method, path, key string, in, out any) error {
	err := a.ask(ctx, method, a.base()+path, key, in, out)
	if statusOf(err) == http.StatusUnauthorized && a.enterAnew(ctx) {
		err = a.ask(ctx, method, a.base()+path, key, in, out)
	}
	if statusOf(err) != http.StatusUnauthorized {
		return err
	}
	switch {
	case a.session == nil:
		return fmt.Errorf("%w\nNobody is logged in: name a cloud of clouds.yaml (--os-cloud), or see '--help' for other ways.", err) //nolint:staticcheck,revive // two sentences
	case a.session.fixed:
		return fmt.Errorf("%w\nThe token that was given (--os-token, OS_TOKEN or clouds.yaml) is wrong or has expired.", err) //nolint:staticcheck,revive // two sentences
	}
	return err
}

// ask sends a request to a URL, with an Idempotency-Key if key is one.
func (a *app) ask(ctx context.Context, method, url, key string, in, out any) error {
	command := ctx
	ctx, cancel := context.WithTimeout(ctx, a.timeout)
	defer cancel()
	var body io.Reader
	if in != nil {
		data, err := json.Marshal(in)
		if err != nil {
			return err
		}
		body = bytes.NewReader(data)
	}
	r, err := http.NewRequestWithContext(ctx, method, url, body)
	if err != nil {
		return err
	}
	r.Header.Set("Accept", "application/json")
	r.Header.Set("User-Agent", "l2gw")
	if in != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	if a.session != nil {
		r.Header.Set("X-Auth-Token", a.session.token)
	}
	if key != "" {
		r.Header[idempotencyKey] = []string{key}
	}
	answer, err := a.client.Do(r)
	if err != nil {
		return a.unreachable(command, ctx, err)
	}
	defer func() { _ = answer.Body.Close() }()
	data, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswer))
	if err != nil {
		return a.unreachable(command, ctx, err)
	}
	if answer.StatusCode >= 300 {
		return readError(answer, data)
	}
	if out == nil {
		return nil
	}
	if err := json.Unmarshal(data, out); err != nil {
		return fmt.Errorf("%s does not answer like an L2GW API: %w", a.where(), err)
	}
	return nil
}

// base is the endpoint with the version of the API, which users may give or leave out.
func (a *app) base() string {
	return strings.TrimSuffix(strings.TrimSuffix(a.endpoint, "/"), "/v2.0") + "/v2.0"
}

// where is the API, in words: of a password in the URL nothing is told.
func (a *app) where() string {
	if u, err := url.Parse(a.endpoint); err == nil {
		return u.Redacted()
	}
	return "the URL that is given"
}

// unreachable is the error of a request that got no answer, of the command whose
// context is given first.
func (a *app) unreachable(command, request context.Context, err error) error {
	if e, ok := errors.AsType[*url.Error](err); ok {
		err = e.Err // without the method and the URL again
	}
	o := newOutage(a.where(), advised(err))
	if !o.sent && a.isDefault {
		advice := "name another with --endpoint, or a cloud with --os-cloud"
		if a.cloud != "" {
			advice = "cloud " + a.cloud + " has neither an auth_url nor an endpoint below auth"
		}
		o.cause = fmt.Errorf("%w; %s", o.cause, advice)
	}
	switch {
	case command.Err() != nil:
		o.cause, o.lasting = context.Cause(command), true // the user has waited long enough
		if errors.Is(command.Err(), context.Canceled) {
			o.cause = errInterrupted
		}
	case request.Err() != nil:
		o.cause = fmt.Errorf("no answer within %s", a.timeout)
	}
	return o
}

// readError understands Neutron's form of an error, and does with any other.
func readError(answer *http.Response, data []byte) error {
	e := &apiError{status: answer.StatusCode, requestID: answer.Header.Get("X-Openstack-Request-Id")}
	if seconds, err := strconv.ParseUint(answer.Header.Get("Retry-After"), 10, 31); err == nil {
		e.retryAfter = time.Duration(seconds) * time.Second
	}
	var body struct {
		NeutronError struct {
			Message string `json:"message"`
		} `json:"NeutronError"`
		Error struct {
			Message string `json:"message"`
		} `json:"error"` // of a request without a valid token
	}
	if json.Unmarshal(data, &body) == nil {
		e.message = cmp.Or(body.NeutronError.Message, body.Error.Message)
	}
	to, failed := answer.Location()
	asked := answer.Request.Method + " " + answer.Request.URL.Redacted()
	switch {
	case failed == nil && answer.StatusCode < 400:
		e.message = fmt.Sprintf("%s was answered with %s, a redirection to %s: name the URL at which the API is", asked, answer.Status, to.Redacted())
	case speaksTLS(answer.StatusCode, data):
		e.message = asked + " was answered by a server that speaks TLS: name it by https:// instead of http://"
	case e.message == "":
		e.message = asked + " was answered with " + answer.Status
	}
	return e
}

// fetch reads the list of a collection.
func fetch[T any](ctx context.Context, a *app, path, collection string, query url.Values) ([]T, error) {
	target := path
	if len(query) > 0 {
		target += "?" + query.Encode()
	}
	var body map[string]json.RawMessage
	if err := a.call(ctx, http.MethodGet, target, nil, &body); err != nil {
		return nil, a.doubted(path, err)
	}
	var list []T
	if body[collection] == nil {
		return nil, fmt.Errorf("%s does not answer like an L2GW API: there is no %s in its answer", a.where(), collection)
	}
	if err := json.Unmarshal(body[collection], &list); err != nil {
		return nil, fmt.Errorf("%s does not answer like an L2GW API: %s: %w", a.where(), collection, err)
	}
	return list, nil
}

// doubted is the error of a request for what each API has, by path.
func (a *app) doubted(path string, err error) error {
	if isNotFound(err) && strings.Count(path, "/") == 1 { // and not of something in a collection
		err = fmt.Errorf("%w\n%s has no %s: is that the URL of an L2GW API?", err, a.where(), path[1:]) //nolint:staticcheck,revive // a question
	}
	return err
}

// send makes a request about one object, wrapped in its name on both ways.
func send[T any](ctx context.Context, a *app, method, path, name string, in any) (T, error) {
	var out map[string]T
	var body any
	if in != nil {
		body = map[string]any{name: in}
	}
	err := a.call(ctx, method, path, body, &out)
	one, ok := out[name]
	if err == nil && !ok {
		err = fmt.Errorf("%s does not answer like an L2GW API: there is no %s in its answer", a.where(), name)
	}
	return one, err
}

func isNotFound(err error) bool {
	e, ok := errors.AsType[*apiError](err)
	return ok && e.status == http.StatusNotFound
}

// named finds an object by id or, if there is none, by name.
func named[T any](ctx context.Context, a *app, path, name, text string, id func(T) string) (T, error) {
	var none T
	for _, by := range []string{"id", "name"} {
		list, err := fetch[T](ctx, a, path, name+"s", url.Values{by: {text}})
		switch {
		case err != nil:
			return none, err
		case len(list) == 1:
			return list[0], nil
		case len(list) > 1:
			ids := make([]string, len(list))
			for i, x := range list {
				ids[i] = id(x)
			}
			return none, ambiguous(name, text, ids)
		}
	}
	return none, notFound(name, text)
}

func (a *app) findGateway(ctx context.Context, text string) (gateway, error) {
	return named(ctx, a, "/l2-gateways", "l2_gateway", text, func(g gateway) string { return g.ID })
}

func (a *app) findNetwork(ctx context.Context, text string) (network, error) {
	return named(ctx, a, "/networks", "network", text, func(n network) string { return n.ID })
}

// findConnection finds a connection by id; it has no name.
func (a *app) findConnection(ctx context.Context, id string) (connection, error) {
	list, err := fetch[connection](ctx, a, "/l2-gateway-connections", "l2_gateway_connections", url.Values{"id": {id}})
	if err == nil && len(list) == 0 {
		err = notFound("l2_gateway_connection", id)
	}
	if err != nil {
		return connection{}, err
	}
	return list[0], nil
}
