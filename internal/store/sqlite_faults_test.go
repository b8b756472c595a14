package store_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"l2gw"
	"l2gw/internal/store"
)

// sqliteFile is a new file of SQLite's with one gateway, and the store that has it open.
func sqliteFile(t *testing.T) (path string, s *store.Store) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "l2gw.db")
	s, err := store.Open(t.Context(), "sqlite:///"+path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	mustGateway(t, s, gw("a", "ps1/eth1"))
	return path, s
}

// unavailable demands that everything is refused for a reason that the log has and clients are not told.
func unavailable(t *testing.T, s *store.Store, reason string) {
	t.Helper()
	_, create := s.CreateGateway(t.Context(), gw("b", "ps1/eth2"))
	_, list := s.Gateways(t.Context(), store.Query{})
	_, _, take := s.AcquireLease(t.Context(), "x", "me", time.Minute, 0)
	_, renew := s.RenewLease(t.Context(), "x", "me", 1, time.Minute)
	for what, err := range map[string]error{"create": create, "list": list, "take": take, "renew": renew} {
		wantError(t, err, l2gw.Unavailable, "ServiceUnavailable")
		if err == nil || !strings.Contains(errors.Unwrap(err).Error(), reason) || strings.Contains(err.Error(), reason) {
			t.Errorf("%s: shown %v; logged %v, want %s", what, err, errors.Unwrap(err), reason)
		}
	}
}

// Writes to a file without a name would be acknowledged, and gone with the process.
func TestAFileThatIsRemovedTakesNoWritesUntilItIsBack(t *testing.T) {
	path, s := sqliteFile(t)
	if err := os.Rename(path, path+".away"); err != nil {
		t.Fatal(err)
	}
	unavailable(t, s, "no such file")
	if _, err := os.Stat(path); !os.IsNotExist(err) {
		t.Errorf("a file was made in its place: %v", err)
	}
	if err := os.Rename(path+".away", path); err != nil {
		t.Fatal(err)
	}
	mustGateway(t, s, gw("b", "ps1/eth2"))
}

// The log (WAL) beside the file belongs to the one that was there before: whoever
// opens the new one with it ruins it.
func TestAFileThatIsReplacedIsLeftAlone(t *testing.T) {
	path, s := sqliteFile(t)
	backup, other := sqliteFile(t)
	mustGateway(t, other, gw("restored", "ps1/eth9"))
	if err := other.Close(); err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadFile(backup)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(backup, path); err != nil {
		t.Fatal(err)
	}
	unavailable(t, s, "is another file by now")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if after, err := os.ReadFile(path); err != nil || !bytes.Equal(before, after) {
		t.Errorf("it was changed: %v", err)
	}
	again := open(t, "sqlite:///"+path)
	if list, err := again.Gateways(t.Context(), store.Query{}); err != nil || len(list) != 2 || list[1].Name != "restored" {
		t.Errorf("after a restart there are %v, %v", list, err)
	}
}

func TestAReadOnlyFileTakesNoWritesAndIsRead(t *testing.T) {
	_, s := sqliteFile(t)
	if err := s.Writes(); err != nil {
		t.Errorf("after a write: %v", err)
	}
	s.ReadOnly(t.Context(), t, true)
	_, err := s.CreateGateway(t.Context(), gw("b", "ps1/eth2"))
	wantError(t, err, l2gw.Unavailable, "ServiceUnavailable")
	_, _, err = s.AcquireLease(t.Context(), "x", "me", time.Minute, 0)
	wantError(t, err, l2gw.Unavailable, "ServiceUnavailable")
	if err := s.Writes(); err == nil || !strings.Contains(errors.Unwrap(err).Error(), "readonly") {
		t.Errorf("after a write that was refused: %v", err)
	}
	if list, err := s.Gateways(t.Context(), store.Query{}); err != nil || len(list) != 1 {
		t.Errorf("%v, %v", list, err)
	}
	s.ReadOnly(t.Context(), t, false)
	mustGateway(t, s, gw("b", "ps1/eth2"))
	if err := s.Writes(); err != nil {
		t.Errorf("after a write: %v", err)
	}
}

// What the file has is damaged while it is open: some of it may be read, none of it as if it were right.
func TestADamagedFileIsUnavailable(t *testing.T) {
	path, s := sqliteFile(t)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, "sqlite:///"+path)
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt(bytes.Repeat([]byte("damage! "), int(info.Size()-4096)/8), 4096); err != nil {
		t.Fatal(err)
	}
	_, err = s.CreateGateway(t.Context(), gw("b", "ps1/eth2"))
	wantError(t, err, l2gw.Unavailable, "ServiceUnavailable")
	_, err = s.Gateways(t.Context(), store.Query{})
	wantError(t, err, l2gw.Unavailable, "ServiceUnavailable")
}

// An older state of the database comes back with its rows: what is counted, and
// which limits a project has, is what that state has.
func TestQuotasOfARestoredBackupCountTheRestoredRows(t *testing.T) {
	path, s := sqliteFile(t)
	if err := s.SetQuota(t.Context(), "p1", map[string]int{l2gw.QuotaGateways: 2}); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil { // so that all is in one file
		t.Fatal(err)
	}
	backup, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	s = open(t, "sqlite:///"+path)
	used := func(s *store.Store) l2gw.QuotaUsage {
		t.Helper()
		q, err := s.Quota(t.Context(), "p1")
		if err != nil {
			t.Fatal(err)
		}
		return q[l2gw.QuotaGateways]
	}
	mustGateway(t, s, gw("b", "ps1/eth2"))
	_, err = s.CreateGateway(t.Context(), gw("c", "ps1/eth3"))
	wantError(t, err, l2gw.Conflict, "OverQuota")
	if err := s.SetQuota(t.Context(), "p1", map[string]int{l2gw.QuotaGateways: 7}); err != nil {
		t.Fatal(err)
	}
	mustGateway(t, s, gw("c", "ps1/eth3"))
	newest, err := s.Revision(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	equal(t, used(s), l2gw.QuotaUsage{Limit: 7, Used: 3})
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}

	if err := os.WriteFile(path, backup, 0o600); err != nil {
		t.Fatal(err)
	}
	s = open(t, "sqlite:///"+path)
	if now, err := s.Revision(t.Context()); err != nil || now >= newest {
		t.Fatalf("the revision is %d after %d, %v", now, newest, err)
	}
	equal(t, used(s), l2gw.QuotaUsage{Limit: 2, Used: 1})
	mustGateway(t, s, gw("d", "ps1/eth4"))
	_, err = s.CreateGateway(t.Context(), gw("e", "ps1/eth5"))
	wantError(t, err, l2gw.Conflict, "OverQuota")
	equal(t, used(s), l2gw.QuotaUsage{Limit: 2, Used: 2})
}
