package front

import (
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"

	"l2gw/internal/api"
)

// Quotas have the same form on both sides: {"quota": {resource: limit, …}}. Each
// side knows its own resources alone, and refuses those of the other.

// quotaPath is where the limits of a project are, on either side.
func quotaPath(project string) string { return "/v2.0/quotas/" + project }

// showQuota is the limits of a project, its defaults, or its details.
func (j *joint) showQuota() error {
	q := question{method: http.MethodGet, path: quotaPath(j.name)}
	theirs, err := j.askNeutron(q)
	if err != nil {
		return err
	}
	return j.replyQuota(theirs, q)
}

// replyQuota answers with what Neutron said and what we say to the question.
func (j *joint) replyQuota(theirs *answer, q question) error {
	own, err := j.askOurs(q)
	if err != nil && (q.method != http.MethodGet || !leftOut(err)) {
		return err
	}
	merged, err := members[object](theirs, "quota")
	if err != nil {
		return err
	}
	if own != nil {
		part, err := members[object](own, "quota")
		if err != nil {
			return err
		}
		merged = join(merged, part)
	}
	only(merged, j.r.URL.Query()["fields"])
	return j.reply(map[string]any{"quota": merged})
}

// leftOut says whether an answer of ours is no part of the whole. Neutron shows a
// project its own limits, and must go on so where our policy does not.
func leftOut(err error) bool {
	a := refusedBy(err)
	return a != nil && a.status < http.StatusInternalServerError
}

// join is all that the parts have; of the same, the last.
func join(parts ...object) object {
	all := object{}
	for _, part := range parts {
		maps.Copy(all, part)
	}
	return all
}

// listQuotas is the projects that have limits of their own on either side. Where
// the other side has none for a project, its defaults stand.
func (j *joint) listQuotas() error {
	q := question{method: http.MethodGet, path: "/v2.0/quotas"}
	theirs, err := j.askNeutron(q)
	if err != nil {
		return err
	}
	own, err := j.askOurs(q)
	if err != nil && !leftOut(err) {
		return err
	}
	list, err := members[[]object](theirs, "quotas")
	if err != nil {
		return err
	}
	if own != nil {
		part, err := members[[]object](own, "quotas")
		if err != nil {
			return err
		}
		if list, err = j.joinQuotas(list, part); err != nil {
			return err
		}
	}
	return j.reply(map[string]any{"quotas": choose(list, j.r.URL.Query(), "project_id", "tenant_id")})
}

// project is whose limits these are.
func project(o object) string {
	if v, ok := o["project_id"]; ok {
		return text(v)
	}
	return text(o["tenant_id"])
}

func (j *joint) joinQuotas(theirs, own []object) ([]object, error) {
	theirDefaults, ourDefaults := defaults(j.askNeutron), defaults(j.askOurs)
	left := map[string]object{}
	for _, o := range own {
		left[project(o)] = o
	}
	list := make([]object, 0, len(theirs)+len(own))
	for _, o := range theirs {
		if mine, ok := left[project(o)]; ok {
			list = append(list, join(o, mine))
			delete(left, project(o))
			continue
		}
		mine, err := ourDefaults(project(o))
		if err != nil {
			return nil, err
		}
		list = append(list, join(mine, o))
	}
	for _, o := range own {
		if _, ok := left[project(o)]; !ok {
			continue
		}
		others, err := theirDefaults(project(o))
		if err != nil {
			return nil, err
		}
		list = append(list, join(others, o))
	}
	return list, nil
}

// defaults returns what tells the limits of who has none of his own. They are the
// same for each project, and asked for once; a side that refuses to tell has none.
func defaults(ask func(question) (*answer, error)) func(project string) (object, error) {
	var known object
	return func(project string) (object, error) {
		if known != nil {
			return known, nil
		}
		var limits object
		a, err := ask(question{method: http.MethodGet, path: quotaPath(project) + "/default"})
		if err == nil {
			limits, err = members[object](a, "quota")
		}
		if err != nil && refusedBy(err) == nil {
			return nil, err
		}
		known = join(limits)
		return known, nil
	}
}

// serveQuota is what can be done with the limits of a project.
func (j *joint) serveQuota() error {
	switch j.r.Method {
	case http.MethodGet:
		return j.showQuota()
	case http.MethodPut:
		return j.setQuota()
	case http.MethodDelete:
		return j.resetQuota()
	}
	j.pass(j.w, j.r, j.whole.ID)
	return nil
}

// setQuota gives each side the limits of its own resources. What would be refused
// of ours is refused before Neutron is asked; if Neutron refuses, nothing of ours
// was written. If our database fails after Neutron has written, the client
// is told 503 and repeats the whole, which does no harm.
func (j *joint) setQuota() error {
	body, err := io.ReadAll(io.LimitReader(j.r.Body, maxBody+1))
	if err != nil {
		return &because{errUnread, err}
	}
	if len(body) > maxBody {
		return errTooLarge
	}
	show := question{method: http.MethodGet, path: quotaPath(j.name)}
	set := func(body []byte) question { return question{method: http.MethodPut, path: show.path, body: body} }
	theirs, own := split(body)
	if own == nil {
		said, err := j.askNeutron(set(body))
		if err != nil {
			return err
		}
		return j.replyQuota(said, show)
	}
	ours := set(quotaBody(own))
	ours.rehearsed = true
	if _, err := j.askOurs(ours); err != nil {
		return err
	}
	ours.rehearsed = false
	ask := show
	if hasLimits(theirs) {
		ask = set(quotaBody(theirs))
	}
	said, err := j.askNeutron(ask)
	if err != nil {
		return err
	}
	return j.replyQuota(said, ours)
}

// resetQuota removes the limits of a project on both sides. It has none only if
// neither side knows any.
func (j *joint) resetQuota() error {
	q := question{method: http.MethodDelete, path: quotaPath(j.name)}
	theirs, err := j.askNeutron(q)
	if err != nil {
		if theirs = refusedBy(err); theirs == nil || theirs.status != http.StatusNotFound {
			return err
		}
	}
	own, err := j.askOurs(q)
	if err != nil {
		if own = refusedBy(err); own == nil || own.status != http.StatusNotFound {
			return err
		}
		own = theirs
	}
	own.relay(j.w)
	return nil
}

// ofBoth are members of a body that are no limits and concern those of either side.
var ofBoth = []string{"check_limit", "force"}

// split tells the limits of Neutron's resources from those of ours, which are nil
// if the body has none: then it is all Neutron's, to refuse what is none at all.
func split(body []byte) (theirs, own object) {
	var all, limits object
	if json.Unmarshal(body, &all) != nil || json.Unmarshal(all["quota"], &limits) != nil {
		return nil, nil
	}
	theirs, own = object{}, object{}
	for name, v := range limits {
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
