package api

import (
	"context"
	"encoding/json"
	"maps"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"l2gw"
	"l2gw/internal/oslo/policy"
)

// Quotas keeps how many gateways and connections each project may have.
type Quotas interface {
	// Quotas are all limits of the projects that have some of their own, by resource.
	Quotas(ctx context.Context) (map[string]map[string]int, error)
	// Quota is what a project may have, and has. Any project is right.
	Quota(ctx context.Context, project string) (map[string]l2gw.QuotaUsage, error)
	QuotaDefaults() map[string]int
	// SetQuota changes the limits that are named. Errors: Invalid.
	SetQuota(ctx context.Context, project string, limits map[string]int) error
	// SetSufficientQuota is SetQuota that fails as [l2gw.QuotaBelowUse] if the project
	// has more than a limit.
	SetSufficientQuota(ctx context.Context, project string, limits map[string]int) error
	// DeleteQuota fails with NotFound if the project has no limits of its own.
	DeleteQuota(ctx context.Context, project string) error
}

// olderQuotas are names under which networking-l2gw knew a quota.
var olderQuotas = map[string]string{"l2-gateway-connection": l2gw.QuotaConnections}

// quotaPaths are where quotas are: where Neutron has its own, and a place that is
// reached also through a load balancer that sends us only what begins with ours.
var quotaPaths = []string{"quotas", "l2-gateway-quotas"}

// mountQuotas offers Neutron's operations on quotas (neutron/extensions/quotasv2.py,
// quotasv2_detail.py).
func mountQuotas(s *server) {
	var (
		limit    = between(l2gw.Unlimited, math.MaxInt32)
		limits   = eachQuota(limit, "How many; -1: any number.")
		accepted = append(slices.Clone(limits),
			field{"l2-gateway-connection", limit, "The older name of l2_gateway_connection."},
			field{"check_limit", kind("boolean"), "Refuse a limit below what the project has."},
			field{"force", kind("boolean"), "Do not: as without check_limit."})
		usage   = record(field{"limit", limit, "How many it may have; -1: any number."}, field{"used", kind("integer"), "How many it has."}, field{"reserved", kind("integer"), "Always 0: nothing is reserved."})
		ofOne   = record(append(limits, field{"project_id", kind("string"), "The project."}, field{"tenant_id", kind("string"), "The same as project_id."})...)
		get     = adminsMay("get_quota", "Show and list the quotas of other projects")
		nowhere = fault{http.StatusBadRequest, "QuotaMissingTenant", "The caller is of no project."}
		missing = fault{http.StatusNotFound, "TenantQuotaNotFound", "The project has no limits of its own."}
	)
	for i, name := range quotaPaths {
		path, suffix := "/v2.0/"+name, []string{"", "_of_l2_gateways"}[i]
		offer := func(method, below, id, summary string, do operation, rules []policy.Rule, answer schema, more operationDoc) {
			more.id, more.tag, more.summary, more.answer = id+suffix, "quotas", summary, answer
			if more.status == 0 {
				more.status = http.StatusOK
			}
			s.offer(offered{method: method, path: path + below, do: do, rules: rules, doc: more})
		}
		one := record(field{"quota", record(limits...), "The limits."})
		offer(http.MethodGet, "", "list_quotas", "List the projects that have limits of their own", s.listQuotas, get,
			record(field{"quotas", listOf(ofOne), "One for each of the projects."}), operationDoc{})
		offer(http.MethodGet, "/tenant", "show_quota_tenant", "Show the caller's project", s.quotaProject("tenant"), nil,
			record(field{"tenant", record(field{"tenant_id", kind("string"), "The project."}), "The caller's."}), operationDoc{faults: []fault{nowhere}})
		offer(http.MethodGet, "/project", "show_quota_project", "Show the caller's project", s.quotaProject("project"), nil,
			record(field{"project", record(field{"project_id", kind("string"), "The project."}), "The caller's."}), operationDoc{faults: []fault{nowhere}})
		offer(http.MethodGet, "/{id}", "show_quota", "Show the limits of a project", s.showQuota, get, one, operationDoc{})
		offer(http.MethodGet, "/{id}/default", "show_default_quota", "Show the limits of projects that have none of their own", s.showDefaultQuota, get, one, operationDoc{})
		offer(http.MethodGet, "/{id}/details", "show_quota_details", "Show the limits of a project and what it has", s.showQuotaDetails, get,
			record(field{"quota", record(eachQuota(usage, "What it may have, and has.")...), "The limits."}), operationDoc{})
		offer(http.MethodPut, "/{id}", "update_quota", "Give a project limits of its own", s.updateQuota,
			adminsMay("update_quota", "Change quotas"), one, operationDoc{
				body:        only("quota", append(openRecord(nil, accepted...), member{"additionalProperties", false})),
				bodyExample: object{{"quota", object{{l2gw.QuotaGateways, 10}}}},
				faults:      append([]fault{{http.StatusBadRequest, "HTTPBadRequest", "There is no such quota, or a limit is no number from -1 to 2147483647."}}, bodyFaults...),
			})
		offer(http.MethodDelete, "/{id}", "delete_quota", "Let the defaults count for a project again", s.deleteQuota,
			adminsMay("delete_quota", "Delete quotas"), nil, operationDoc{status: http.StatusNoContent, faults: []fault{missing}})
	}
}

// quotaNames are the resources that have quotas, in the order of answers.
var quotaNames = []string{l2gw.QuotaGateways, l2gw.QuotaConnections}

func eachQuota(s schema, doc string) []field {
	fields := make([]field, len(quotaNames))
	for i, name := range quotaNames {
		fields[i] = field{name, s, doc}
	}
	return fields
}

func showLimits(limits map[string]int) object {
	out := object{}
	for _, name := range quotaNames {
		out = append(out, member{name, limits[name]})
	}
	return out
}

func (s *server) listQuotas(_ http.ResponseWriter, r *http.Request) (answer, error) {
	if err := s.allow(r.Context(), "get_quota", nil); err != nil {
		return answer{}, err
	}
	all, err := s.Store.Quotas(r.Context())
	if err != nil {
		return answer{}, err
	}
	list := []object{}
	for _, project := range slices.Sorted(maps.Keys(all)) {
		list = append(list, append(showLimits(all[project]), member{"project_id", project}, member{"tenant_id", project}))
	}
	return answer{http.StatusOK, object{{"quotas", list}}}, nil
}

// quotaProject answers who the caller is, which older clients ask before anything else.
func (s *server) quotaProject(key string) operation {
	return func(_ http.ResponseWriter, r *http.Request) (answer, error) {
		project := callerOf(r.Context()).Project
		if project == "" {
			return answer{}, &l2gw.Error{Code: l2gw.Invalid, Type: "QuotaMissingTenant", Message: "Tenant-id was missing from quota request."}
		}
		return answer{http.StatusOK, object{{key, object{{key + "_id", project}}}}}, nil
	}
}

// quotaOf is the project that the path names, for who may see its quota: whoever
// is of it, and administrators.
func (s *server) quotaOf(r *http.Request) (string, error) {
	project := pathID(r)
	if project != "" && project == callerOf(r.Context()).Project {
		return project, nil
	}
	return project, s.allow(r.Context(), "get_quota", ownedBy(project))
}

func (s *server) showQuota(_ http.ResponseWriter, r *http.Request) (answer, error) {
	project, err := s.quotaOf(r)
	if err != nil {
		return answer{}, err
	}
	return s.quota(r.Context(), project)
}

func (s *server) quota(ctx context.Context, project string) (answer, error) {
	all, err := s.Store.Quota(ctx, project)
	if err != nil {
		return answer{}, err
	}
	limits := map[string]int{}
	for name, q := range all {
		limits[name] = q.Limit
	}
	return answer{http.StatusOK, object{{"quota", showLimits(limits)}}}, nil
}

func (s *server) showDefaultQuota(_ http.ResponseWriter, r *http.Request) (answer, error) {
	if _, err := s.quotaOf(r); err != nil {
		return answer{}, err
	}
	return answer{http.StatusOK, object{{"quota", showLimits(s.Store.QuotaDefaults())}}}, nil
}

func (s *server) showQuotaDetails(_ http.ResponseWriter, r *http.Request) (answer, error) {
	project, err := s.quotaOf(r)
	if err != nil {
		return answer{}, err
	}
	all, err := s.Store.Quota(r.Context(), project)
	if err != nil {
		return answer{}, err
	}
	out := object{}
	for _, name := range quotaNames {
		out = append(out, member{name, object{{"limit", all[name].Limit}, {"used", all[name].Used}, {"reserved", 0}}})
	}
	return answer{http.StatusOK, object{{"quota", out}}}, nil
}

func (s *server) updateQuota(w http.ResponseWriter, r *http.Request) (answer, error) {
	body, err := readBody(w, r)
	if err != nil {
		return answer{}, err
	}
	items, bulk, err := unwrap(body, "quota", "quotas")
	if err != nil {
		return answer{}, err
	}
	if bulk {
		return answer{}, badRequest("Unable to find 'quota' in request body")
	}
	limits, check, err := decodeQuota(items[0])
	if err != nil {
		return answer{}, err
	}
	project := pathID(r)
	if err := l2gw.CheckText("project_id", project); err != nil {
		return answer{}, err
	}
	if err := s.allow(r.Context(), "update_quota", ownedBy(project)); err != nil {
		return answer{}, err
	}
	if err := s.setQuota(r.Context(), project, limits, check); err != nil {
		return answer{}, err
	}
	return s.quota(r.Context(), project)
}

func (s *server) setQuota(ctx context.Context, project string, limits map[string]int, check bool) error {
	switch {
	case isRehearsal(ctx) && check:
		used, err := s.Store.Quota(ctx, project)
		if err != nil {
			return err
		}
		return l2gw.CheckUse(limits, used)
	case isRehearsal(ctx):
		return nil
	case check:
		return s.Store.SetSufficientQuota(ctx, project, limits)
	default:
		return s.Store.SetQuota(ctx, project, limits)
	}
}

// decodeQuota reads the limits that a client gives, and whether they are to be
// refused where a project has more already.
func decodeQuota(item map[string]any) (limits map[string]int, check bool, err error) {
	limits = map[string]int{}
	var unknown []string
	for _, given := range slices.Sorted(maps.Keys(item)) {
		name, v := given, item[given]
		if newer, ok := olderQuotas[name]; ok {
			if other, both := item[newer]; both && !sameValue(v, other) {
				return nil, false, badRequest("'%s' and '%s' do not match", given, newer)
			}
			name = newer
		}
		switch {
		case given == "force" || given == "check_limit":
			wanted, err := decodeFlag(given, v)
			if err != nil {
				return nil, false, err
			}
			check = check || wanted && given == "check_limit"
		case !slices.Contains(quotaNames, name):
			unknown = append(unknown, str(given))
		default:
			if limits[name], err = decodeLimit(given, v); err != nil {
				return nil, false, err
			}
		}
	}
	if unknown != nil {
		return nil, false, badRequest("Unrecognized attribute(s) %s", quoteList(unknown))
	}
	return limits, check, nil
}

// decodeFlag takes a boolean, in quotes or not. Neutron takes anything, and "false"
// for true; but who asks for a check in a way that is not understood must not go
// without.
func decodeFlag(name string, v any) (bool, error) {
	for _, flag := range []bool{true, false} {
		if text, ok := v.(string); v == flag || ok && strings.EqualFold(text, strconv.FormatBool(flag)) {
			return flag, nil
		}
	}
	return false, l2gw.BadAttribute(name, "'%s' is not a valid boolean value.", str(v))
}

// decodeLimit takes an integer, in quotes or not, as Neutron does; and no boolean,
// which Neutron takes for a number.
func decodeLimit(name string, v any) (int, error) {
	var text string
	switch v := v.(type) {
	case json.Number:
		text = v.String()
	case string:
		text = strings.TrimSpace(v)
	}
	n, err := strconv.Atoi(text)
	switch {
	case err != nil:
		return 0, l2gw.BadAttribute(name, "'%s' is not an integer.", str(v))
	case n < l2gw.Unlimited:
		return 0, l2gw.BadAttribute(name, "'%d' is too small - must be at least '%d'.", n, l2gw.Unlimited)
	case n > math.MaxInt32:
		return 0, l2gw.BadAttribute(name, "'%d' is too large - must be no larger than '%d'.", n, math.MaxInt32)
	}
	return n, nil
}

func (s *server) deleteQuota(_ http.ResponseWriter, r *http.Request) (answer, error) {
	project := pathID(r)
	if err := s.allow(r.Context(), "delete_quota", ownedBy(project)); err != nil {
		return answer{}, err
	}
	if err := s.Store.DeleteQuota(r.Context(), project); err != nil {
		return answer{}, err
	}
	return answer{http.StatusNoContent, nil}, nil
}
