package ovsdb

import (
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"time"
)

// handle answers one JSON-RPC message. An error ends the session: what the
// client sends is no JSON-RPC.
func (c *session) handle(v any) error {
	o, ok := v.(jsonObject)
	if !ok {
		return errors.New("the client's message is no JSON object")
	}
	for name := range o {
		switch name {
		case "method", "params", "id", "result", "error":
		default:
			return errors.New("the client's message has the unknown member " + name)
		}
	}
	id := o["id"]
	if _, ok := o["method"]; !ok {
		if id == "echo" { // the answer to a probe
			return nil
		}
		return errors.New("the client answered what it was not asked")
	}
	method, ok := o["method"].(string)
	params, ok2 := o["params"].([]any)
	if !ok || !ok2 || o["result"] != nil || o["error"] != nil {
		return errors.New("the client's message is neither a request nor a notification")
	}
	if id == nil {
		if method == "cancel" && len(params) == 1 {
			c.srv.cancelRequest(c, params[0])
		}
		return nil
	}
	answer := requests[method]
	if answer == nil {
		c.refuse(id, []byte(`"unknown method"`))
		return nil
	}
	c.srv.mu.Lock()
	defer c.srv.mu.Unlock()
	result, err := answer(&request{session: c, id: id, method: method, params: params})
	switch {
	case err != nil && err.Code == errBare:
		c.refuse(id, appendString(nil, err.Details))
	case err != nil:
		c.refuse(id, appendError(nil, err))
	case result != nil:
		c.reply(id, result)
	}
	return nil
}

// request is one request of a client; all the methods that answer one are
// called with Server.mu held and return the result as JSON, or nil if the
// answer is sent otherwise.
type request struct {
	*session
	id     any
	method string
	params []any
}

// errBare is the code of an error that is sent as a string, not as an object.
const errBare = "bare"

var requests map[string]func(*request) ([]byte, *Error)

func init() { // not above, since the functions lead back to it
	requests = map[string]func(*request) ([]byte, *Error){
		"echo":                (*request).echo,
		"list_dbs":            (*request).listDatabases,
		"get_schema":          (*request).getSchema,
		"get_server_id":       (*request).getServerID,
		"set_db_change_aware": (*request).setDatabaseChangeAware,
		"transact":            (*request).transact,
		"monitor":             func(r *request) ([]byte, *Error) { return r.monitor(noticeUpdate) },
		"monitor_cond":        func(r *request) ([]byte, *Error) { return r.monitor(noticeUpdate2) },
		"monitor_cond_since":  func(r *request) ([]byte, *Error) { return r.monitor(noticeUpdate3) },
		"monitor_cond_change": (*request).monitorChange,
		"monitor_cancel":      (*request).monitorCancel,
		"lock":                func(r *request) ([]byte, *Error) { return r.lock(false) },
		"steal":               func(r *request) ([]byte, *Error) { return r.lock(true) },
		"unlock":              (*request).unlock,
	}
}

func (r *request) echo() ([]byte, *Error) { return appendJSON(nil, r.params), nil }

func (r *request) listDatabases() ([]byte, *Error) {
	b, _ := json.Marshal(r.srv.databaseNames()) // strings can always be marshalled
	return b, nil
}

func (r *request) getServerID() ([]byte, *Error) {
	return appendString(nil, r.srv.id.String()), nil
}

func (r *request) setDatabaseChangeAware() ([]byte, *Error) {
	if len(r.params) == 1 {
		if _, ok := r.params[0].(bool); ok {
			return []byte("{}"), nil // the databases of this server never change
		}
	}
	return nil, syntaxError(r.params, "set_db_change_aware: true or false parameter expected")
}

// database returns the database that the first parameter names.
func (r *request) database() (*database, *Error) {
	name, ok := "", false
	if len(r.params) > 0 {
		name, ok = r.params[0].(string)
	}
	if !ok {
		return nil, syntaxError(r.params, "%s request params must begin with <db-name>", r.method)
	}
	d := r.srv.dbs[name]
	if d == nil {
		return nil, wrongJSON(r.params, ErrUnknownDatabase, "%s request specifies unknown database %s", r.method, name)
	}
	return d, nil
}

func (r *request) getSchema() ([]byte, *Error) {
	d, err := r.database()
	if err != nil {
		return nil, err
	}
	return d.text, nil
}

func (r *request) transact() ([]byte, *Error) {
	d, err := r.database()
	if err != nil {
		return nil, err
	}
	r.srv.try(&trigger{from: r.session, id: r.id, db: d, ops: r.params[1:], since: time.Now()})
	r.srv.retryTriggers(d)
	return nil, nil
}

// cancelRequest answers a waiting transaction that it was cancelled (RFC 7047 §4.1.4).
func (s *Server) cancelRequest(c *session, id any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	key := string(appendJSON(nil, id))
	for _, d := range s.dbs {
		for _, t := range slices.Clone(d.triggers) {
			if t.from == c && string(appendJSON(nil, t.id)) == key {
				d.drop(t)
				c.refuse(t.id, appendString(nil, ErrCanceled.Error()))
			}
		}
	}
}

// drop takes a waiting transaction away.
func (d *database) drop(t *trigger) {
	t.stop()
	d.triggers = slices.DeleteFunc(d.triggers, func(x *trigger) bool { return x == t })
}

// forget takes away what a session has at the database.
func (d *database) forget(c *session) {
	for _, t := range slices.Clone(d.triggers) {
		if t.from == c {
			d.drop(t)
		}
	}
	d.monitors = slices.DeleteFunc(d.monitors, func(m *monitor) bool { return m.to == c })
}

func (r *request) monitor(format noticeKind) ([]byte, *Error) {
	d, err := r.database()
	if err != nil {
		return nil, err
	}
	if n := len(r.params); n < 3 || n > 4 || (n == 4) != (format == noticeUpdate3) {
		return nil, syntaxError(r.params, "invalid parameters")
	}
	wanted, ok := r.params[2].(jsonObject)
	if !ok {
		return nil, syntaxError(r.params[2], "monitor-requests must be object")
	}
	id := appendJSON(nil, r.params[1])
	if r.monitors[string(id)] != nil {
		return nil, syntaxError(r.params[1], "duplicate monitor ID")
	}
	m := &monitor{id: id, to: r.session, db: d, format: format, tables: make(map[*dbTable]*monitoredTable)}
	for _, table := range slices.Sorted(maps.Keys(wanted)) {
		if err := m.parse(table, wanted[table]); err != nil {
			return nil, err
		}
	}
	if format == noticeUpdate3 {
		last, ok := r.params[3].(string)
		if !ok {
			return nil, syntaxError(r.params[3], "last-txn-id must be string")
		}
		if _, err := ParseUUID(last); err != nil {
			return nil, syntaxError(r.params[3], "last-txn-id must be UUID format.")
		}
	}
	r.monitors[string(id)] = m
	d.monitors = append(d.monitors, m)
	if format != noticeUpdate3 {
		return m.initial(), nil
	}
	// Without a history nobody can be told only what is new since then.
	b := append([]byte("[false,"), appendString(nil, UUID{}.String())...)
	b = append(append(b, ','), m.initial()...)
	return append(b, ']'), nil
}

func (r *request) monitorChange() ([]byte, *Error) {
	if len(r.params) != 3 {
		return nil, syntaxError(r.params, "invalid parameters")
	}
	id := string(appendJSON(nil, r.params[0]))
	m := r.monitors[id]
	if m == nil {
		return nil, syntaxError(r.params[0], "unknown monitor session")
	}
	wanted, ok := r.params[2].(jsonObject)
	if !ok {
		return nil, &Error{Code: ErrSyntax.Error(), Details: "monitor-cond-change-requests must be object"}
	}
	newID := string(appendJSON(nil, r.params[1]))
	if newID != id && r.monitors[newID] != nil {
		return nil, syntaxError(r.params[1], "duplicate monitor ID")
	}
	where := make(map[*dbTable][]clause)
	for _, table := range slices.Sorted(maps.Keys(wanted)) {
		changed, err := m.change(table, wanted[table])
		if err != nil {
			return nil, err
		}
		maps.Copy(where, changed)
	}
	delete(r.monitors, id)
	m.id = []byte(newID)
	r.monitors[newID] = m
	if u := m.newConditions(where); u != nil {
		r.update(m, u)
	}
	return []byte("{}"), nil
}

func (r *request) monitorCancel() ([]byte, *Error) {
	if len(r.params) != 1 {
		return nil, &Error{Code: errBare, Details: "invalid parameters"}
	}
	id := string(appendJSON(nil, r.params[0]))
	m := r.monitors[id]
	if m == nil {
		return nil, &Error{Code: errBare, Details: "unknown monitor"}
	}
	delete(r.monitors, id)
	m.db.monitors = slices.DeleteFunc(m.db.monitors, func(x *monitor) bool { return x == m })
	return []byte("{}"), nil
}

// lockName returns the name of the lock in question.
func (r *request) lockName() (string, *Error) {
	if len(r.params) == 1 {
		if name, ok := r.params[0].(string); ok && isID(name) {
			return name, nil
		}
	}
	return "", syntaxError(r.params, "%s request params must be <id>", r.method)
}

func (r *request) lock(steal bool) ([]byte, *Error) {
	name, err := r.lockName()
	if err != nil {
		return nil, err
	}
	owns, ok := r.srv.acquire(r.session, name, steal)
	switch {
	case !ok:
		return nil, syntaxError(r.params, `must issue "unlock" before new "%s"`, r.method)
	case owns:
		return []byte(`{"locked":true}`), nil
	}
	return []byte(`{"locked":false}`), nil
}

func (r *request) unlock() ([]byte, *Error) {
	name, err := r.lockName()
	if err != nil {
		return nil, err
	}
	if !r.srv.release(r.session, name) {
		return nil, syntaxError(r.params, `unlock: "unlock" without "lock" or "steal"`)
	}
	return []byte("{}"), nil
}
