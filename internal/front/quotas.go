package front

import (
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"l2gw/internal/api"
)

// Quotas have the same form on both sides: {"quota": {resource: limit, …}}. Each
// side knows its own resources alone, and refuses those of the other.

// showQuota is the limits of a project, its defaults, or its details.
func (f *front) showQuota(w http.ResponseWriter, r *http.Request, c call) error {
	q := question{method: http.MethodGet, path: "/v2.0/quotas/" + c.name}
	theirs, err := f.askNeutron(r, c, q)
	if err != nil {
		return err
	}
	if !theirs.ok() {
		theirs.relay(w)
		return nil
	}
	return f.replyQuota(w, r, c, theirs, q)
}

// replyQuota answers with what Neutron said and what we say to the question.
// Neutron shows a project its own limits, and must go on so where our policy does
// not: then ours are left out.
func (f *front) replyQuota(w http.ResponseWriter, r *http.Request, c call, theirs *answer, q question) error {
	own, err := f.askOurs(w, r, c, q)
	if err != nil {
		return err
	}
	merged, err := members[object](theirs, "quota")
	if err != nil {
		return err
	}
	switch {
	case own.ok():
		part, err := members[object](own, "quota")
		if err != nil {
			return err
		}
		if merged == nil {
			merged = object{}
		}
		for name, limit := range part {
			merged[name] = limit
		}
	case own.status >= 500 || q.method != http.MethodGet:
		own.relay(w)
		return nil
	}
	only(merged, r.URL.Query()["fields"])
	return reply(w, c, http.StatusOK, map[string]any{"quota": merged})
}

// listQuotas is the projects that have limits of their own on either side. Where
// the other side has none for a project, its defaults stand.
func (f *front) listQuotas(w http.ResponseWriter, r *http.Request, c call) error {
	q := question{method: http.MethodGet, path: "/v2.0/quotas"}
	theirs, err := f.askNeutron(r, c, q)
	if err != nil {
		return err
	}
	if !theirs.ok() {
		theirs.relay(w)
		return nil
	}
	own, err := f.askOurs(w, r, c, q)
	if err != nil {
		return err
	}
	if own.status >= 500 {
		own.relay(w)
		return nil
	}
	list, err := members[[]object](theirs, "quotas")
	if err != nil {
		return err
	}
	if own.ok() {
		part, err := members[[]object](own, "quotas")
		if err != nil {
			return err
		}
		if list, err = f.joinQuotas(w, r, c, list, part); err != nil {
			return err
		}
	}
	list = choose(list, r.URL.Query(), "project_id", "tenant_id")
	return reply(w, c, http.StatusOK, map[string]any{"quotas": list})
}

// project is whose limits these are.
func project(o object) string {
	if v, ok := o["project_id"]; ok {
		return text(v)
	}
	return text(o["tenant_id"])
}

func (f *front) joinQuotas(w http.ResponseWriter, r *http.Request, c call, theirs, own []object) ([]object, error) {
	missing := func(from []object, in []object) string {
		for _, o := range from {
			if !slices.ContainsFunc(in, func(i object) bool { return project(i) == project(o) }) {
				return project(o)
			}
		}
		return ""
	}
	defaults := func(ask func(question) (*answer, error), project string) (object, error) {
		if project == "" {
			return nil, nil
		}
		a, err := ask(question{method: http.MethodGet, path: "/v2.0/quotas/" + project + "/default"})
		if err != nil || !a.ok() {
			return nil, err
		}
		return members[object](a, "quota")
	}
	theirDefaults, err := defaults(func(q question) (*answer, error) { return f.askNeutron(r, c, q) }, missing(own, theirs))
	if err != nil {
		return nil, err
	}
	ourDefaults, err := defaults(func(q question) (*answer, error) { return f.askOurs(w, r, c, q) }, missing(theirs, own))
	if err != nil {
		return nil, err
	}
	at := map[string]object{}
	for _, o := range own {
		at[project(o)] = o
	}
	out := make([]object, 0, len(theirs)+len(own))
	add := func(parts ...object) {
		o := object{}
		for _, part := range parts {
			for name, v := range part {
				o[name] = v
			}
		}
		out = append(out, o)
	}
	for _, o := range theirs {
		if mine, ok := at[project(o)]; ok {
			add(o, mine)
			delete(at, project(o))
		} else {
			add(ourDefaults, o)
		}
	}
	for _, o := range own {
		if _, left := at[project(o)]; left {
			add(theirDefaults, o)
		}
	}
	return out, nil
}

// serveQuota is what can be done with the limits of a project.
func (f *front) serveQuota(w http.ResponseWriter, r *http.Request, c call) error {
	switch r.Method {
	case http.MethodGet:
		return f.showQuota(w, r, c)
	case http.MethodPut:
		return f.setQuota(w, r, c)
	case http.MethodDelete:
		return f.resetQuota(w, r, c)
	}
	f.pass(w, r, c.id)
	return nil
}

// setQuota gives each side the limits of its own resources. What can be refused
// of ours is refused before Neutron is asked; if Neutron refuses, nothing of ours
// was written. If our database fails after Neutron has written, the client
// is told 503 and repeats the whole, which does no harm.
func (f *front) setQuota(w http.ResponseWriter, r *http.Request, c call) error {
	body, err := io.ReadAll(io.LimitReader(r.Body, maxBody+1))
	if err != nil {
		return &because{errUnread, err}
	}
	if len(body) > maxBody {
		return errTooLarge
	}
	path := "/v2.0/quotas/" + c.name
	theirs, own, ok := split(body)
	ask := question{method: http.MethodPut, path: path, body: body}
	if ok && len(own) > 0 {
		if err := checkLimits(own); err != nil {
			return err
		}
		// Whether the caller may at all, and whether our database is there.
		may, err := f.askOurs(w, r, c, question{method: http.MethodPut, path: path, body: quotaBody(object{})})
		if err != nil {
			return err
		}
		if !may.ok() {
			may.relay(w)
			return nil
		}
		ask.body = quotaBody(theirs)
		if len(theirs) == 0 {
			ask.method, ask.body = http.MethodGet, nil
		}
	}
	said, err := f.askNeutron(r, c, ask)
	if err != nil {
		return err
	}
	if !said.ok() {
		said.relay(w)
		return nil
	}
	if len(own) == 0 {
		return f.replyQuota(w, r, c, said, question{method: http.MethodGet, path: path})
	}
	return f.replyQuota(w, r, c, said, question{method: http.MethodPut, path: path, body: quotaBody(own)})
}

// resetQuota removes the limits of a project on both sides. It has none only if
// neither side knows any.
func (f *front) resetQuota(w http.ResponseWriter, r *http.Request, c call) error {
	q := question{method: http.MethodDelete, path: "/v2.0/quotas/" + c.name}
	theirs, err := f.askNeutron(r, c, q)
	if err != nil {
		return err
	}
	if !theirs.ok() && theirs.status != http.StatusNotFound {
		theirs.relay(w)
		return nil
	}
	own, err := f.askOurs(w, r, c, q)
	switch {
	case err != nil:
		return err
	case own.status == http.StatusNotFound:
		theirs.relay(w)
	default:
		own.relay(w)
	}
	return nil
}

// split tells the limits of Neutron's resources from those of ours; false if the
// body is none that has limits, which Neutron then refuses.
func split(body []byte) (theirs, own object, ok bool) {
	var all struct {
		Quota map[string]json.RawMessage `json:"quota"`
	}
	if json.Unmarshal(body, &all) != nil || all.Quota == nil {
		return nil, nil, false
	}
	theirs, own = object{}, object{}
	for name, limit := range all.Quota {
		if slices.Contains(api.QuotaResources(), strings.ReplaceAll(name, "-", "_")) {
			own[name] = limit
		} else {
			theirs[name] = limit
		}
	}
	return theirs, own, true
}

func quotaBody(limits object) []byte {
	body, _ := json.Marshal(map[string]object{"quota": limits})
	return body
}

// checkLimits refuses what our API would refuse: limits are numbers from -1, which
// is none, to the largest that a database holds; a string may stand for a number.
func checkLimits(limits object) error {
	for name, limit := range limits {
		n, err := strconv.ParseInt(text(limit), 10, 32)
		if err != nil || n < -1 {
			return &refusal{
				http.StatusBadRequest, "HTTPBadRequest",
				"Invalid input for " + name + ". Reason: '" + text(limit) + "' is not an integer from -1 (no limit) to 2147483647.",
			}
		}
	}
	return nil
}
