package disk

import (
	"os"
	"testing"

	"l2gw/test/product"
)

func TestMain(m *testing.M) {
	os.Exit(product.Main{M: m}.Run())
}
