package packets

import "errors"

// ErrNotRoot is returned to a user who may not make network namespaces.
var ErrNotRoot = errors.New("packets: network namespaces need root")
