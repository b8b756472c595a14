package reference

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/google/go-cmp/cmp"
)

// added are the attributes that we have beyond the predecessor's.
var added = []string{"project_id", "status", "status_reason", "description", "created_at", "updated_at", "revision_number", "bindings"}

// like is an object with the attributes that another has, of those that it has itself.
func like(o, other object) object {
	out := object{}
	for name, v := range o {
		if _, has := other[name]; has || !slices.Contains(added, name) && !isListed(name) {
			out[name] = v
		}
	}
	return out
}

// isListed tells an attribute that a list may leave out because only some fields were asked for.
func isListed(name string) bool {
	return slices.Contains([]string{"id", "name", "devices", "tenant_id", "network_id", "l2_gateway_id", "segmentation_id"}, name)
}

// compareObjects says how what we show differs from what the predecessor showed,
// the order of lists apart, which was arbitrary there.
func (p *player) compareObjects(x exchange, body any) string {
	then, ok := x.answer.(object)
	now, ok2 := body.(object)
	if !ok || !ok2 {
		return fmt.Sprintf("the answer is %v", body)
	}
	for name, wanted := range then {
		got, has := now[name]
		if !has {
			return fmt.Sprintf("the answer has no %s, but %v", name, slices.Collect(maps.Keys(now)))
		}
		switch wanted := wanted.(type) {
		case object:
			shown, ok := got.(object)
			if !ok {
				return fmt.Sprintf("%s is %v", name, got)
			}
			if x.method == "POST" {
				p.pair(wanted, shown)
			}
			if !isOurs(x.target) {
				continue // the answer is Neutron's own
			}
			if diff := cmp.Diff(p.plain(wanted), without(p.plain(shown), wanted)); diff != "" {
				return "it differs (-predecessor +ours):\n" + diff
			}
		case []any:
			shown, ok := got.([]any)
			if !ok {
				return fmt.Sprintf("%s is %v", name, got)
			}
			if diff := p.compareLists(x, name, wanted, shown); diff != "" {
				return diff
			}
		}
	}
	return ""
}

// isOurs tells resources that we answer for from those of Neutron, behind us.
func isOurs(target string) bool {
	return !strings.HasPrefix(target, "/v2.0/networks") && !strings.HasPrefix(target, "/v2.0/subnets")
}

// compareLists compares links by their kind, pages by their length (which objects
// are on a page was arbitrary), and other lists as sets.
func (p *player) compareLists(x exchange, name string, then, now []any) string {
	if strings.HasSuffix(name, "_links") {
		rels := func(links []any) (all []string) {
			for _, l := range links {
				all = append(all, fmt.Sprint(l.(object)["rel"]))
			}
			return all
		}
		return cmp.Diff(rels(then), rels(now))
	}
	if strings.Contains(x.target, "limit=") && !strings.Contains(x.target, "limit=0") {
		if len(then) != len(now) {
			return fmt.Sprintf("a page of %d, the predecessor's had %d", len(now), len(then))
		}
		return ""
	}
	var wanted, got []string
	for _, o := range then {
		wanted = append(wanted, text(p.plain(o.(object))))
	}
	if len(then) > 0 && len(then[0].(object)) > 0 {
		for _, m := range p.missing { // which this list has as well, unless its filters say otherwise
			if i := slices.Index(wanted, text(like(p.plain(m), then[0].(object)))); i >= 0 {
				wanted = slices.Delete(wanted, i, i+1)
			}
		}
	}
	for _, o := range now {
		o := p.plain(o.(object))
		if len(then) > 0 {
			o = like(o, then[0].(object))
		}
		got = append(got, text(o))
	}
	slices.Sort(wanted)
	slices.Sort(got)
	if diff := cmp.Diff(wanted, got); diff != "" {
		return "the list differs (-predecessor +ours):\n" + diff
	}
	return ""
}

func text(o object) string {
	b, err := json.Marshal(o)
	if err != nil {
		return err.Error()
	}
	return string(b)
}

// pair notes which of our ids stands for which of the predecessor's.
func (p *player) pair(then, now object) {
	match := func(a, b object) {
		if id, ok := a["id"].(string); ok {
			p.ids[id], _ = b["id"].(string)
		}
	}
	match(then, now)
	theirs, _ := then["devices"].([]any)
	ours, _ := now["devices"].([]any)
	for _, d := range theirs {
		for _, o := range ours {
			if d.(object)["device_name"] == o.(object)["device_name"] {
				match(d.(object), o.(object))
			}
		}
	}
}

// without is the object without what we have added and the predecessor does not show.
func without(o, then object) object {
	o = maps.Clone(o)
	for _, name := range added {
		if _, has := then[name]; !has {
			delete(o, name)
		}
	}
	return o
}

// plain is an object with our ids, our project, and its lists in one order.
func (p *player) plain(o object) object {
	var walk func(any) any
	walk = func(v any) any {
		switch v := v.(type) {
		case object:
			out := object{}
			for name, inner := range v {
				out[name] = walk(inner)
			}
			return out
		case []any:
			out := make([]any, len(v))
			for i := range v {
				out[i] = walk(v[i])
			}
			slices.SortFunc(out, func(a, b any) int { return strings.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
			return out
		case json.Number:
			return v.String()
		case string:
			if id, ok := p.names[v]; ok {
				return id
			}
			return p.ours(v)
		}
		return v
	}
	out := walk(o).(object)
	if out["tenant_id"] == "fake_project_id" {
		out["tenant_id"] = "default"
	}
	return out
}
