// Package python writes values as Python's str and repr do, which OpenStack's
// messages, rules and tables are made of.
//
// It guarantees what real Python writes for None, bools, numbers, texts, lists and
// dicts, however deep they stand in each other; so nothing that cannot be printed
// is in what [Repr] returns: no control character reaches a terminal by it.
//
// Not guaranteed: the newest characters of Unicode. Which can be printed is what Go
// knows of it, and Python's version may know more or less. Nor the order of a Go
// map, which has none: its keys are sorted, where Python's have the order of their
// insertion; [Dict] has it.
package python
