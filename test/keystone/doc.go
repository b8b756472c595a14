// Package keystone runs Debian's Keystone for tests, with SQLite and fernet tokens
// in a folder of its own, on a free port of 127.0.0.1.
//
// [Shared] is started once per test process, by the first test that asks for it;
// that takes two seconds on an idle machine. A package that uses it calls [Main]
// in its TestMain. Users and projects that a test makes stay until the end, so each
// test gives its own names to what it changes. A test that needs Keystone to be
// away, slow, counted or behind TLS makes a [Door] of its own in front of it, or
// has a Keystone of its own ([New]).
//
// If the test's process dies instead of ending, the kernel ends Keystone
// (PR_SET_PDEATHSIG).
//
// It answers some sixty validations a second: one Python process, whose cache is
// in its memory, so that what is revoked is refused at once.
package keystone
