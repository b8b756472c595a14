// Package hostile sends a server what no client in its right mind would: bodies
// with everything wrong that can be, one thing at a time and at every place, odd
// paths and queries, and bytes that only look like HTTP. It asks of each answer
// that it is the client's fault and says so, comes at once, and changes nothing;
// and of the server that it is afterwards what it was before.
package hostile
