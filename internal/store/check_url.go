package store

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// CheckURL says what [Open] would find wrong with these before it speaks to the
// database: the form of the URL, its options, the files that they name, the limits
// of the options; with SQLite also whether the file may be written, or made. It
// connects to nobody and makes nothing. No error has the password in it.
func CheckURL(url string, options ...Option) error {
	s, err := closed(options)
	if err != nil {
		usually, _ := closed(nil)
		return errors.Join(err, usually.checkURL(url))
	}
	return s.checkURL(url)
}

func (s *Store) checkURL(url string) error {
	where, err := parseURL(url)
	if err != nil {
		return err
	}
	switch where.kind {
	case kindSQLite:
		path, err := sqlitePath(where.path)
		if err != nil {
			return err
		}
		return writable(path)
	case kindMySQL:
		_, err = mysqlConfig(&where.server, s.tuning)
	case kindPostgreSQL:
		_, err = postgresConfig(&where.server, s.tuning)
	}
	if err != nil {
		err = hinted(err, url)
	}
	return err
}

// writable says why SQLite could not use the file. It opens the file, and so is not
// for one that this process uses: closing it again would end SQLite's locks on it.
func writable(path string) error {
	if err := accessible(path); err != nil {
		return err
	}
	return notOther(path)
}

// accessible says why SQLite could not read and write the file, if it is there: it
// also makes others beside it.
func accessible(path string) error {
	why := func(err error) error { return fmt.Errorf("database %s: %w", path, err) }
	dir := filepath.Dir(path)
	if info, err := os.Stat(dir); err != nil {
		return why(fmt.Errorf("its folder must exist: %w", err))
	} else if !info.IsDir() {
		return why(fmt.Errorf("%s is no folder", dir))
	}
	if err := unix.Access(dir, unix.W_OK|unix.X_OK); err != nil {
		return why(fmt.Errorf("files cannot be made in %s: %w", dir, err))
	}
	info, err := os.Stat(path)
	switch {
	case os.IsNotExist(err):
		return nil
	case err != nil:
		return why(err)
	case !info.Mode().IsRegular():
		return why(fmt.Errorf("it is no plain file (%s)", info.Mode().Type()))
	}
	if err := unix.Access(path, unix.R_OK|unix.W_OK); err != nil {
		return why(fmt.Errorf("it cannot be read and written: %w", err))
	}
	return nil
}

// notOther says why a file is no database of SQLite's; an empty one becomes one.
func notOther(path string) error {
	f, err := os.Open(path)
	if os.IsNotExist(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("database %s: %w", path, err)
	}
	defer f.Close()
	const magic = "SQLite format 3\x00"
	head := make([]byte, len(magic))
	if n, _ := f.Read(head); n > 0 && !strings.HasPrefix(string(head), magic) {
		return fmt.Errorf("database %s: this file is no database of SQLite's", path)
	}
	return nil
}
