package disk

import (
	"os"
	"testing"

	"l2gw/test/product"
)

func TestMain(m *testing.M) {
	code := m.Run()
	product.RemoveBinary()
	os.Exit(code)
}
