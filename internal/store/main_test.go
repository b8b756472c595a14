package store_test

import (
	"os"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	if os.Getenv(crashChild) != "" {
		writeUntilKilled()
		return
	}
	goleak.VerifyTestMain(m)
}
