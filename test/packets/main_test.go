package packets

import (
	"testing"

	"go.uber.org/goleak"

	"l2gw/test/product"
	"l2gw/test/sqlserver"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(product.Main{M: sqlserver.Main{M: m}})
}
