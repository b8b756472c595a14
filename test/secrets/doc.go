// Package secrets remembers the passwords and tokens that a test process uses, so
// that everything the product writes can be searched for them: test/product looks
// through the log of each process that it ran, and through the files beside it.
package secrets
