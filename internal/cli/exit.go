package cli

// Exit is an error that ends the program with a code, when all is said.
func Exit(code int) error { return &exitError{code, ""} }
