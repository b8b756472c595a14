package policy

// Rule is a rule that a program brings along; a file may replace it.
type Rule struct {
	// Name is what callers ask for ("create_l2_gateway") and other rules refer to ("rule:admin_only").
	Name string
	// Check is the expression, in oslo.policy's language.
	Check string
	// Description says, in a sentence, what it allows. For `l2gw policy show`.
	Description string
}
