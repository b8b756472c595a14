package front

import (
	"os"
	"testing"

	"l2gw/test/neutron"
	"l2gw/test/product"
	"l2gw/test/sqlserver"
)

func TestMain(m *testing.M) {
	os.Exit(product.Main{M: neutron.Main{M: sqlserver.Main{M: m}}}.Run())
}

const inventory = `networks:
- {id: 11111111-1111-1111-1111-111111111111, name: blue, vni: 5001}
hosts: []
ports: []
`
