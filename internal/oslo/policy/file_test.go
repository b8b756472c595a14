package policy

import (
	"errors"
	"testing"
)

func FuzzPolicyFilesAreRulesOrErrorsThatNameTheFile(f *testing.F) {
	for _, s := range []string{
		"a: role:b\n", `{"a": [["role:b", "@"], "!"]}`, "a: &x role:b\nb: *x\nc: [*x, [*x]]\n", "<<: {a: b}\n", "? [a]\n: b\n", "a: !\n", "a: !!str\n",
		"a: |\n  role:b or\n  role:c\n", "---\n...\n---\n", "\ta: b", "*x: y", "a: *a", "&a a: *a", "a: &a [*a]", "5: @\n", "\xff\xfe", "null",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		rules, err := parseFile("policy.yaml", data)
		if err == nil {
			_, err = compile(builtIn, rules, Options{DefaultRule: "default"})
		}
		var ruleErr *RuleError
		var fileErr *FileError
		if err != nil && !(errors.As(err, &ruleErr) && ruleErr.File == "policy.yaml") && !(errors.As(err, &fileErr) && fileErr.File == "policy.yaml") {
			t.Errorf("%q: %v", data, err)
		}
	})
}
