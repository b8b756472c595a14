// Package policy decides who may do what by the rules of oslo.policy: rules in code
// with those of an operator's file (YAML or JSON) over them.
//
// What it guarantees: the language is that of oslo.policy, so that a policy.yaml
// means here what it means to OpenStack's services (the tests ask oslo.policy
// itself); a rule that cannot be understood, or rules that refer to each other in a
// circle, are errors that name the file, the rule and the reason, and never allow
// anything. Files that change are read again; if they are wrong then, the rules
// from before go on.
//
// What it does not: checks that ask another server (http:, https:) are refused, and
// so is what oslo.policy takes without a word for "everybody may": a name with no
// expression. Where oslo.policy fails with an exception (a path into a text, such as
// user_id.x:y) the check does not hold, so that not makes it hold. Neutron's
// tenant_id:%(network:tenant_id)s holds if the target has that attribute: nothing is
// looked up. Constants to the left of the colon may be numbers, True, False, None and
// texts without a backslash.
package policy
