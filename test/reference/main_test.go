package reference

import (
	"os"
	"testing"

	"l2gw/test/keystone"
	"l2gw/test/product"
	"l2gw/test/sqlserver"
)

func TestMain(m *testing.M) {
	code := sqlserver.Main{M: keystone.Main{M: m}}.Run()
	product.RemoveBinary()
	os.Exit(code)
}
