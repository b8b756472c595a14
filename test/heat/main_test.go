package heat

import (
	"os"
	"testing"

	"l2gw/test/keystone"
	"l2gw/test/product"
)

func TestMain(m *testing.M) {
	os.Exit(product.Main{M: keystone.Main{M: m}}.Run())
}
