package hostile

import (
	"os"
	"testing"

	"l2gw/test/product"
	"l2gw/test/sqlserver"
)

func TestMain(m *testing.M) { os.Exit(product.Main{M: sqlserver.Main{M: m}}.Run()) }
