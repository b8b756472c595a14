package client

import (
	"strings"
	"testing"

	"l2gw/test/product"
)

func TestStandaloneKeepsToItsQuotas(t *testing.T) {
	t.Parallel()
	our := newOurClient(t)
	p := product.StartStandalone(t, "its options are tested", inventory, "--default-quota", "1", "--quota-l2-gateway", "2")
	create := func(line string) outcome {
		return our.run("l2gw", order{Args: strings.Fields(line), Env: map[string]string{"OS_ENDPOINT": p.URL}})
	}
	for i, c := range []struct {
		line string
		code int
		says string
	}{
		{"create a --device name=ps1,interface_names=eth1", 0, ""},
		{"create b --device name=ps1,interface_names=eth2", 0, ""},
		{"create c --device name=ps1,interface_names=eth3", 1, "Quota exceeded for resources: ['l2_gateway']."},
		{"connection create a clinet --default-segmentation-id 1", 0, ""},
		{"connection create b clinet --default-segmentation-id 1", 1, "Quota exceeded for resources: ['l2_gateway_connection']."},
	} {
		if got := create(c.line); got.Code != c.code || !strings.Contains(got.Stderr, c.says) {
			t.Errorf("%d %s: %+v", i, c.line, got)
		}
	}
}
