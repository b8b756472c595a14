package store_test

import (
	"testing"

	"l2gw/internal/store"
)

func testModel(t *testing.T, fresh func(testing.TB) *store.Store) { fresh(t) }
