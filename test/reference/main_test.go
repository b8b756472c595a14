package reference

import (
	"os"
	"testing"

	"l2gw/test/keystone"
	"l2gw/test/product"
	"l2gw/test/sqlserver"
)

func TestMain(m *testing.M) {
	os.Exit(product.Main{M: sqlserver.Main{M: keystone.Main{M: m}}}.Run())
}
