package agent

import (
	"errors"
	"fmt"
	"os"
	"sync"
)

const (
	auditFileSize  = 10 << 20 // bytes from which on a file is put aside
	auditFileCount = 3        // files there are at most, the current one included
)

// AuditFile is a file of lines that is put aside as PATH.1, PATH.2 when it has
// grown to 10 MiB; the oldest is removed. Each Write must be whole lines, which are never torn
// apart between two files. Only its owner can read it. It may be used by several goroutines.
type AuditFile struct {
	path  string
	limit int64 // bytes

	mu   sync.Mutex
	file *os.File // nil once closed
	size int64
	torn bool // the last line was not written to its end
}

// OpenAuditFile opens the file at path for writing at its end, and makes it if need be.
// The error names the file.
func OpenAuditFile(path string) (*AuditFile, error) {
	f := &AuditFile{path: path, limit: auditFileSize}
	if err := f.Reopen(); err != nil {
		return nil, err
	}
	return f, nil
}

// Reopen opens the path anew, so that others may have moved the file away. After
// an error the file that was open stays in use.
func (f *AuditFile) Reopen() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.reopen()
}

func (f *AuditFile) reopen() error {
	file, err := os.OpenFile(f.path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("audit file: %w", err)
	}
	info, err := file.Stat()
	if err != nil {
		return errors.Join(fmt.Errorf("audit file: %w", err), file.Close())
	}
	if f.file != nil {
		_ = f.file.Close() // what was written is written
	}
	f.file, f.size = file, info.Size()
	return nil
}

// Write adds whole lines. If the file cannot be put aside it goes on growing.
func (f *AuditFile) Write(lines []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.file == nil {
		return 0, fmt.Errorf("audit file %s: %w", f.path, os.ErrClosed)
	}
	if f.size > 0 && f.size+int64(len(lines)) > f.limit && f.rotate() == nil {
		if err := f.reopen(); err != nil {
			return 0, err
		}
	}
	if f.torn {
		if _, err := f.file.Write([]byte{'\n'}); err != nil {
			return 0, fmt.Errorf("audit file: %w", err)
		}
		f.torn = false
	}
	n, err := f.file.Write(lines)
	f.size += int64(n)
	if err != nil {
		f.torn = n > 0
		return n, fmt.Errorf("audit file: %w", err)
	}
	return n, nil
}

// rotate moves the files on by one.
func (f *AuditFile) rotate() error {
	name := func(i int) string {
		if i == 0 {
			return f.path
		}
		return fmt.Sprintf("%s.%d", f.path, i)
	}
	for i := auditFileCount - 1; i > 0; i-- {
		if err := os.Rename(name(i-1), name(i)); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	return nil
}

// Close ends writing. Later calls of Write fail; Reopen opens it again.
func (f *AuditFile) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.file == nil {
		return nil
	}
	err := f.file.Close()
	f.file = nil
	return err
}
