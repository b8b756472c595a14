package packets

import (
	"testing"

	"go.uber.org/goleak"

	"l2gw/test/product"
	"l2gw/test/sqlserver"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(main{m}) }

// main removes what tests share before it is looked for what they left.
type main struct{ *testing.M }

func (m main) Run() int {
	defer product.RemoveBinary()
	return sqlserver.Main{M: m.M}.Run()
}
