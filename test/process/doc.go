// Package process runs the programs that tests need beside them: servers, and
// interpreters that answer questions.
//
// A program ends with the test process, however that ends, and with all that it
// started when it is killed. Nothing else is promised: that a server answers, what it
// logs and where, is the matter of the fixture that knows it.
package process
