package vtep

import "errors"

// ErrUnusableSchema: the database lacks tables or columns that every hardware_vtep schema has.
var ErrUnusableSchema = errors.New("this is not a hardware_vtep schema that can be used")
