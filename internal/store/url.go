package store

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// address is a database URL taken apart as SQLAlchemy does it, which is laxer
// than RFC 3986: a password may have any character but "@" unescaped.
//
//	dialect[+driver]://[user[:password]@][host[:port]][/database][?option=value&…]
type address struct {
	dialect        string
	user, password string
	host, port     string
	database       string
	options        url.Values // those not asked for so far
}

// The errors of this file quote no part of the URL in which a password may be.
var errNoURL = errors.New("this is no database URL: it must look like sqlite:////var/lib/l2gw/l2gw.db or " +
	"postgresql://USER:PASSWORD@HOST/DATABASE or mysql+pymysql://USER:PASSWORD@HOST/DATABASE")

func parseAddress(rest string) (address, error) {
	var a address
	rest, query, _ := strings.Cut(rest, "?")
	if credentials, after, found := cutLast(rest, "@"); found {
		rest = after
		user, password, _ := strings.Cut(credentials, ":")
		var err error
		if a.user, err = url.PathUnescape(user); err != nil {
			return a, errors.New(`database URL: in the user's name, "%" must be written as %25`)
		}
		if a.password, err = url.PathUnescape(password); err != nil {
			return a, errors.New(`database URL: in the password, "%" must be written as %25`)
		}
	}
	host, database, _ := strings.Cut(rest, "/")
	a.database = database
	if strings.HasPrefix(host, "[") {
		inside, after, found := strings.Cut(host[1:], "]")
		if !found || after != "" && after[0] != ':' {
			return a, errors.New("database URL: an IPv6 address must look like [2001:db8::1]:5432")
		}
		a.host, a.port = inside, strings.TrimPrefix(after, ":")
	} else {
		a.host, a.port, _ = strings.Cut(host, ":")
	}
	if a.port != "" {
		if n, err := strconv.ParseUint(a.port, 10, 16); err != nil || n == 0 {
			return a, errors.New("database URL: the port must be a number from 1 to 65535 " +
				`("@", "/" and "?" in a password must be written as %40, %2F and %3F)`)
		}
	}
	var err error
	if a.options, err = url.ParseQuery(query); err != nil {
		return a, errors.New("database URL: what follows the question mark must look like option=value&option=value")
	}
	return a, nil
}

func cutLast(s, sep string) (before, after string, found bool) {
	if i := strings.LastIndex(s, sep); i >= 0 {
		return s[:i], s[i+len(sep):], true
	}
	return "", s, false
}

// String is the address for messages: without the password and the options.
func (a *address) String() string {
	host := a.host
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	if a.port != "" {
		host = net.JoinHostPort(a.host, a.port)
	}
	return a.dialect + "://" + host + "/" + a.database
}

// option takes an option out of those that are left; "" if it is not given.
func (a *address) option(name string) (string, error) {
	values := a.options[name]
	delete(a.options, name)
	switch len(values) {
	case 0:
		return "", nil
	case 1:
		return values[0], nil
	}
	return "", fmt.Errorf("database URL: the option %s is given %d times", name, len(values))
}

// oneOf takes an option that may have these values or none.
func (a *address) oneOf(name string, allowed ...string) (string, error) {
	v, err := a.option(name)
	if err == nil && v != "" && !slices.Contains(allowed, v) {
		err = fmt.Errorf("database URL: %s=%s: it must be %s", name, v, strings.Join(allowed, ", "))
	}
	return v, err
}

// truth takes an option that is on or off; byDefault if it is not given.
func (a *address) truth(name string, byDefault bool) (bool, error) {
	v, err := a.oneOf(name, "true", "false", "True", "False", "1", "0")
	if err != nil || v == "" {
		return byDefault, err
	}
	return v == "1" || strings.EqualFold(v, "true"), nil
}

// seconds takes an option that is a number of seconds.
func (a *address) seconds(name string, byDefault time.Duration) (time.Duration, error) {
	v, err := a.option(name)
	if err != nil || v == "" {
		return byDefault, err
	}
	n, err := strconv.ParseUint(v, 10, 16)
	if err != nil || n == 0 {
		return 0, fmt.Errorf("database URL: %s=%s: it must be a number of seconds, 1 or more", name, v)
	}
	return time.Duration(n) * time.Second, nil
}

// refuseRest refuses the options that nobody asked for.
func (a *address) refuseRest(known string) error {
	for _, name := range slices.Sorted(maps.Keys(a.options)) {
		return fmt.Errorf("database URL: the option %s is not supported for %s: known are %s", name, a.dialect, known)
	}
	return nil
}

func (a *address) needDatabase() error {
	switch {
	case a.database == "":
		return fmt.Errorf("database URL: it names no database: it must look like %s://USER:PASSWORD@HOST/DATABASE", a.dialect)
	case strings.ContainsAny(a.database, "/\x00"):
		return fmt.Errorf("database URL: the database's name %q has a character that it cannot have", a.database)
	}
	return nil
}
