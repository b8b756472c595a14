package main

import (
	"context"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestAServersLogGoesOnInANewFileAfterAHangup(t *testing.T) {
	path := filepath.Join(t.TempDir(), "server.log")
	file, err := openLog(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.close()
	log := slog.New(slog.NewTextHandler(file, nil))
	log.Info("before")
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		reopenOnHangup(ctx, file, log)
	}()
	if err := os.Rename(path, path+".1"); err != nil {
		t.Fatal(err)
	}
	hold := make(chan os.Signal, 1) // the signal must not end the test before it is listened to
	signal.Notify(hold, syscall.SIGHUP)
	defer signal.Stop(hold)
	for deadline := time.Now().Add(30 * time.Second); ; {
		if err := syscall.Kill(os.Getpid(), syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
		<-hold
		// The file is made a moment before it is written to.
		log.Info("after")
		if now, err := os.ReadFile(path); err == nil && len(now) > 0 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("no new file was opened")
		}
	}
	cancel()
	<-done
	old, _ := os.ReadFile(path + ".1")
	now, err := os.ReadFile(path)
	if err != nil || !strings.Contains(string(now), "after") || strings.Contains(string(now), "before") || !strings.Contains(string(old), "before") {
		t.Errorf("in the new file %q (%v), in the old one %q", now, err, old)
	}
}
