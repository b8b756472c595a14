package front

import (
	"encoding/json"
	"io"
	"net/http"
	"slices"
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

// setQuota gives each side the limits of its own resources. What would be refused
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
	theirs, own := split(body)
	ask := question{method: http.MethodPut, path: path, body: body}
	if len(own) > 0 {
		rehearsal, err := f.askOurs(w, r.WithContext(api.Rehearse(r.Context())), c, question{method: http.MethodPut, path: path, body: quotaBody(own)})
		if err != nil {
			return err
		}
		if !rehearsal.ok() {
			rehearsal.relay(w)
			return nil
		}
		ask.body = quotaBody(theirs)
		if !hasLimits(theirs) {
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

// ofBoth are members of a body that are no limits and concern those of either side.
var ofBoth = []string{"check_limit", "force"}

// split tells the limits of Neutron's resources from those of ours, which are nil
// if the body has none: then it is all Neutron's, to refuse what is none at all.
func split(body []byte) (theirs, own object) {
	var all struct {
		Quota object `json:"quota"`
	}
	if json.Unmarshal(body, &all) != nil {
		return nil, nil
	}
	theirs, own = object{}, object{}
	for name, v := range all.Quota {
		switch {
		case slices.Contains(ofBoth, name):
			theirs[name], own[name] = v, v
		case slices.Contains(api.QuotaResources(), strings.ReplaceAll(name, "-", "_")):
			own[name] = v
		default:
			theirs[name] = v
		}
	}
	if !hasLimits(own) {
		return theirs, nil
	}
	return theirs, own
}

func hasLimits(o object) bool {
	for name := range o {
		if !slices.Contains(ofBoth, name) {
			return true
		}
	}
	return false
}

func quotaBody(limits object) []byte {
	body, _ := json.Marshal(map[string]object{"quota": limits})
	return body
}
