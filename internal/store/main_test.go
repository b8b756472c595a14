package store_test

import (
	"os"
	"testing"

	"l2gw/test/sqlserver"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	if os.Getenv(crashChild) != "" {
		writeUntilKilled()
		return
	}
	goleak.VerifyTestMain(sqlserver.Main{M: m})
}
