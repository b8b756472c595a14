package api_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// walk follows the links of a list to its end, from the first page or from the
// last one backwards, and returns the ids in the order of the list.
func (a as) walk(query string, limit int, backwards bool) []string {
	a.t.Helper()
	target, rel := fmt.Sprintf("%s?limit=%d%s", gatewaysPath, limit, query), "next"
	if backwards {
		target, rel = target+"&page_reverse=True", "previous"
	}
	var all []string
	for range 200 {
		body := a.do(200, "GET", target, "", "X-Auth-Token", a.token)
		var ids []string
		for _, x := range body["l2_gateways"].([]any) {
			ids = append(ids, x.(map[string]any)["id"].(string))
		}
		if backwards {
			all = append(ids, all...)
		} else {
			all = append(all, ids...)
		}
		target = ""
		for _, l := range body["l2_gateways_links"].([]any) {
			if link := l.(map[string]any); link["rel"] == rel {
				target = strings.TrimPrefix(link["href"].(string), "http://127.0.0.1:9696")
			}
		}
		if target == "" || len(ids) == 0 {
			return all
		}
	}
	a.t.Fatalf("%s: the pages have no end", query)
	return nil
}

// Some pages are cut by the database and others here, because there is something
// on them that the caller may not see: both must take the same order for granted.
func TestPagesHaveEachObjectOnceWhateverOthersMayNotBeSeen(t *testing.T) {
	for name, rules := range map[string]string{
		"all but what is secret": "get_l2_gateway: rule:admin_only or not 'secret':%(name)s\n",
		"its own":                "get_l2_gateway: rule:admin_only or project_id:%(project_id)s\n",
		"its own but secrets":    "get_l2_gateway: rule:admin_only or project_id:%(project_id)s and not 'secret':%(name)s\n",
		"everything":             "get_l2_gateway: ''\n",
	} {
		t.Run(name, func(t *testing.T) {
			w := guarded(t, rules)
			for i := range 40 {
				name := []string{"a", "b", "a", "secret", "b"}[i%5]
				if i > 30 {
					name = "a"
				}
				w.as("admin").make("l2-gateways", gatewayBody(name, "eth1", fmt.Sprintf(`, "tenant_id": "p%d", "description": "d%d"`, 1+i%3, i%2)))
			}
			for _, query := range []string{
				"", "&sort_key=name&sort_dir=asc", "&sort_key=name&sort_dir=desc", "&sort_key=project_id&sort_dir=desc&sort_key=name&sort_dir=asc",
				"&sort_key=status&sort_dir=desc", "&sort_key=name&sort_dir=desc&status=ACTIVE", "&sort_key=created_at&sort_dir=desc", "&description=d1&sort_key=name&sort_dir=desc",
				"&sort_key=status&sort_dir=asc&sort_key=name&sort_dir=desc",
			} {
				whole := w.as("alice").list(gatewaysPath+"?"+strings.TrimPrefix(query, "&"), "l2_gateways", "id")
				for _, limit := range []int{1, 3, 7} {
					for _, backwards := range []bool{false, true} {
						if got := strings.Join(w.as("alice").walk(query, limit, backwards), " "); got != whole {
							t.Errorf("%s, %d a page, backwards %v:\n%s\nwant\n%s", query, limit, backwards, brief(got), brief(whole))
						}
					}
				}
			}
		})
	}
}

// brief is a list of ids by what is different in them.
func brief(ids string) string {
	all := strings.Fields(ids)
	for i := range all {
		all[i] = all[i][max(0, len(all[i])-4):]
	}
	sorted := slices.Sorted(slices.Values(all))
	return fmt.Sprintf("%d, %d different: %s", len(all), len(slices.Compact(sorted)), strings.Join(all, " "))
}
