package hostile

import (
	"os"
	"testing"

	"l2gw/test/product"
	"l2gw/test/sqlserver"
)

func TestMain(m *testing.M) {
	code := sqlserver.Main{M: m}.Run()
	product.RemoveBinary()
	os.Exit(code)
}
