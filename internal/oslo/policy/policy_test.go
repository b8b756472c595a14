package policy

import (
	"testing"
)

func TestPrecedenceIsThatOfOsloPolicy(t *testing.T) {
	for expression, want := range map[string]string{
		"":                              "@",
		"@":                             "@",
		"!":                             "!",
		"role:a":                        "role:a",
		"((role:a))":                    "role:a",
		"not role:a and role:b":         "(not role:a and role:b)",
		"not (role:a and role:b)":       "not (role:a and role:b)",
		"NOT role:a AND role:b":         "(not role:a and role:b)",
		"not not role:a":                "not not role:a",
		"role:a or role:b and role:c":   "(role:a or (role:b and role:c))",
		"role:a and role:b or role:c":   "((role:a and role:b) or role:c)",
		"role:a and (role:b or role:c)": "(role:a and (role:b or role:c))",
		"role:a or (role:b and role:c) and role:d":       "(role:a or (role:b and role:c and role:d))",
		"(role:b and role:c) and role:d":                 "((role:b and role:c) and role:d)",
		"role:a or(role:b)":                              "error",
		"( role:a )\tor\u00a0( role:b )":                 "(role:a or role:b)",
		"role:a or not role:b and not role:c or rule:d":  "(role:a or (not role:b and not role:c) or rule:d)",
		"project_id:%(project_id)s and (not role:dunce)": "(project_id:%(project_id)s and not role:dunce)",
		"'Member':%(role.name)s or \"x\":y":              "('Member':%(role.name)s or \"x\":y)",
		"role:admin and":                                 "error",
		"and role:admin":                                 "error",
		"not":                                            "error",
		"role:a role:b":                                  "error",
		"(role:a":                                        "error",
		"role:a)":                                        "error",
		"()":                                             "error",
		"  ":                                             "error",
		"admin":                                          "error",
		"'text'":                                         "error",
		"http://example.org/%(name)s":                    "error",
		"https://example.org/%(name)s":                   "error",
		"project_id:%(project_id)":                       "error",
		"project_id:%s":                                  "error",
		"field:networks:shared":                          "error",
		"field:port:device_owner=~(":                     "error",
		"field:port:device_owner=~^network:":             "field:port:device_owner=~^network:",
		"1a:x":                                           "error",
		":x":                                             "error",
	} {
		c, err := parse(expression)
		got := "error"
		if err == nil {
			got = c.String()
		}
		if got != want {
			t.Errorf("%q: %s (%v), want %s", expression, got, err, want)
		}
	}
}

func TestWhatRulesAllow(t *testing.T) {
	credentials := map[string]any{"roles": []string{"Member", "reader"}, "project_id": "p1", "is_admin": false, "user": map[string]any{"id": "u1"}}
	target := map[string]any{"project_id": "p1", "role.name": "Member", "user": map[string]any{"enabled": true}, "shared": true, "device_owner": "network:dhcp"}
	for expression, want := range map[string]bool{
		"role:member":                        true,
		"role:admin":                         false,
		"project_id:%(project_id)s":          true,
		"project_id:%(tenant_id)s":           false,
		"project_id:p1":                      true,
		"is_admin:True":                      false,
		"is_admin:False":                     true,
		"user.id:u1":                         true,
		"roles:Member":                       true,
		"roles:member":                       false,
		"'Member':%(role.name)s":             true,
		"True:%(user.enabled)s":              true,
		"None:%(user.enabled)s":              false,
		"20:20":                              true,
		"field:networks:shared=True":         true,
		"field:networks:other=True":          false,
		"field:port:device_owner=~^network:": true,
		"field:port:device_owner=~dhcp":      false,
		"rule:nothing":                       false,
		"project_id:%%":                      false,
	} {
		e, err := New([]Rule{{Name: "act", Check: expression}, {Name: "nothing", Check: "!"}}, Options{})
		if err != nil {
			t.Errorf("%q: %v", expression, err)
			continue
		}
		if got := e.Allows("act", target, credentials); got != want {
			t.Errorf("%q: %t", expression, got)
		}
	}
}
