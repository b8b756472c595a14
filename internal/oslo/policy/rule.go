package policy

import "l2gw/internal/oslo"

// Rule is a rule that a program brings along; a file may replace it.
type Rule struct {
	// Name is what callers ask for ("create_l2_gateway") and other rules refer to ("rule:admin_only").
	Name string
	// Check is the expression, in oslo.policy's language.
	Check string
	// Description says, in a sentence, what it allows. For `l2gw policy show`.
	Description string
	// Scopes are those of a token that the rule is meant for: "project", "domain",
	// "system". None: all. They count with [Options.EnforceScope] only.
	Scopes []string
	// Deprecated is what the rule was before, or nil.
	Deprecated *Deprecated
}

// Deprecated is the name and the expression that a rule had in an older version.
// A file that has a rule of the old name and none of the new means the new one;
// a rule that no file has also allows what its older expression did, unless
// [Options.EnforceNewDefaults] says otherwise.
type Deprecated struct {
	Name, Check   string
	Since, Reason string
}

// Effective is a rule as it counts.
type Effective struct {
	Rule
	// Check (of Rule) is the expression as it was written; Parsed is how it was
	// understood, with all parentheses.
	Parsed string
	// Origin is the file and the line that the rule is from; the zero value is the program.
	Origin oslo.Origin
	// Default is the expression that the program brought along; "" if it knows no such rule.
	Default string
}

// FromFile says whether the rule is an operator's.
func (e Effective) FromFile() bool { return e.Origin != (oslo.Origin{}) }
