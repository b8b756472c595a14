package heat

import (
	"os"
	"testing"

	"l2gw/test/keystone"
	"l2gw/test/product"
)

func TestMain(m *testing.M) {
	code := keystone.Main{M: m}.Run()
	product.RemoveBinary()
	os.Exit(code)
}
