package ovsdb

import "slices"

// lock is a lock of the server (RFC 7047 §4.1.8): the first session in line
// owns it, the others wait. A nil *lock is one that nobody wants.
type lock struct {
	line []*session
}

func (l *lock) owner() *session {
	if l == nil || len(l.line) == 0 {
		return nil
	}
	return l.line[0]
}

// acquire puts the session in line, with steal at its head. It returns whether
// the session owns the lock now, and false for ok if it was in line already.
func (s *Server) acquire(c *session, name string, steal bool) (owns, ok bool) {
	l := s.locks[name]
	if l == nil {
		l = &lock{}
		s.locks[name] = l
	}
	if slices.Contains(l.line, c) {
		return false, false
	}
	if !steal {
		l.line = append(l.line, c)
		return l.owner() == c, true
	}
	if victim := l.owner(); victim != nil {
		victim.notify("stolen", name)
	}
	l.line = slices.Insert(l.line, 0, c)
	return true, true
}

// release takes the session out of line and tells the owner, whether it is a
// new one or not, as ovsdb-server does. It returns whether the session was in line.
func (s *Server) release(c *session, name string) bool {
	l := s.locks[name]
	if l == nil || !slices.Contains(l.line, c) {
		return false
	}
	l.line = slices.DeleteFunc(l.line, func(x *session) bool { return x == c })
	if owner := l.owner(); owner != nil {
		owner.notify("locked", name)
	} else {
		delete(s.locks, name)
	}
	return true
}

// releaseAll is for a session that ends.
func (s *Server) releaseAll(c *session) {
	for name := range s.locks {
		s.release(c, name)
	}
}
