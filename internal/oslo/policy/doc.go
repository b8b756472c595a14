// Package policy decides who may do what by the rules of oslo.policy: rules in code
// with those of an operator's file (YAML or JSON) over them.
//
// What it guarantees: the language is that of oslo.policy, so that a policy.yaml
// means here what it means to OpenStack's services; a rule that cannot be
// understood, or rules that refer to each other in a circle, are errors that name
// the file, the rule and the reason, and never allow anything.
//
// What it does not: checks that ask another server (http:, https:) are refused.
package policy
