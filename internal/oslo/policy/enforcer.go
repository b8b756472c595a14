package policy

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// checkEvery is how often, at most, it is looked whether files have changed.
const checkEvery = 2 * time.Second

// Options are where an operator's rules are; those of [oslo_policy] in oslo.policy's services.
type Options struct {
	// File has rules over the program's ("policy_file"), or is "". If it is not there,
	// it has none, and is read once it is there.
	File string
	// Dirs have files, read after File by their names, which win over it ("policy_dirs").
	// Those that are not there have none.
	Dirs []string
	// DefaultRule is asked where there is no rule of a name ("policy_default_rule"); ""
	// is "default". If there is none of that name either, the answer is no.
	DefaultRule string
	// EnforceScope refuses tokens of a scope that a rule is not meant for ("enforce_scope").
	EnforceScope bool
	// EnforceNewDefaults leaves out what rules allowed in older versions ("enforce_new_defaults").
	EnforceNewDefaults bool
	// Logger gets what is odd about rules, each once; nil: [slog.Default].
	Logger *slog.Logger
}

// Enforcer answers who may do what. It is safe for use by several goroutines.
type Enforcer struct {
	defaults []Rule
	options  Options
	log      *slog.Logger
	rules    atomic.Pointer[ruleset]
	start    time.Time
	next     atomic.Int64 // when to look at the files again, after start

	mu     sync.Mutex // held while files are read
	failed []mark     // of files that could not be obeyed
}

// New reads the files over the rules that the program brings along. It fails with a
// [RuleError] for a rule that cannot be understood or obeyed, a [FileError] for a file
// that is not rules, or the error of reading it.
func New(defaults []Rule, o Options) (*Enforcer, error) {
	if o.DefaultRule == "" {
		o.DefaultRule = "default"
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	e := &Enforcer{defaults: slices.Clone(defaults), options: o, log: o.Logger, start: time.Now()}
	rules, err := e.read()
	if err != nil {
		return nil, err
	}
	e.use(rules)
	e.next.Store(int64(checkEvery))
	return e, nil
}

// Allows says whether the rule of that name lets the caller do it to the target. Files
// that have changed are read before, but not more often than every two seconds.
func (e *Enforcer) Allows(action string, target, credentials map[string]any) bool {
	s := e.current()
	r := s.find(action)
	return r != nil && e.inScope(r, credentials) && r.check.allows(target, credentials)
}

// find is the rule of a name, or the default rule, or nil.
func (s *ruleset) find(name string) *rule {
	if r := s.rules[name]; r != nil {
		return r
	}
	return s.rules[s.byName]
}

func (e *Enforcer) inScope(r *rule, credentials map[string]any) bool {
	return !e.options.EnforceScope || len(r.scopes) == 0 || slices.Contains(r.scopes, scopeOf(credentials))
}

// scopeOf is what a caller's token is for.
func scopeOf(credentials map[string]any) string {
	switch {
	case truth(credentials["system_scope"]) || truth(credentials["system"]):
		return "system"
	case truth(credentials["domain_id"]):
		return "domain"
	default:
		return "project"
	}
}

// current is the rules that count now.
func (e *Enforcer) current() *ruleset {
	now := int64(time.Since(e.start))
	if next := e.next.Load(); now >= next && e.next.CompareAndSwap(next, now+int64(checkEvery)) {
		e.refresh()
	}
	return e.rules.Load()
}

// refresh reads the files if they have changed. What cannot be obeyed is told once, and
// the rules from before go on; so they do for all others while a slow disk is read.
func (e *Enforcer) refresh() {
	if !e.mu.TryLock() {
		return
	}
	defer e.mu.Unlock()
	now := e.marks()
	if slices.Equal(now, e.rules.Load().marks) {
		if e.failed != nil {
			e.log.Info("the policy files are as they were before; their rules count")
			e.failed = nil
		}
		return
	}
	if slices.Equal(now, e.failed) {
		return
	}
	if err := e.reload(); err != nil {
		e.failed = now
		e.log.Error("the policy files have changed and cannot be obeyed; the rules from before go on", "error", err)
	}
}

// Reload reads the files now. If they cannot be obeyed the rules from before go on, and
// the error says why.
func (e *Enforcer) Reload() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.reload()
}

func (e *Enforcer) reload() error {
	rules, err := e.read()
	if err != nil {
		return err
	}
	if before := e.rules.Load().marks[0]; before.problem == "" && rules.marks[0].problem != "" {
		return fmt.Errorf("policy file: %s (a restart lets go of its rules)", rules.marks[0].problem)
	}
	e.use(rules)
	e.failed = nil
	e.log.Info("policy files were read again", "file", e.options.File, "dirs", e.options.Dirs)
	return nil
}

func (e *Enforcer) use(rules *ruleset) {
	for _, n := range rules.notices {
		e.log.Warn(n.message, n.attributes...)
	}
	e.rules.Store(rules)
}

// read makes rules of what the files say now.
func (e *Enforcer) read() (*ruleset, error) {
	marks := e.marks() // before reading: what changes meanwhile is read again
	var all []written
	if e.options.File != "" {
		rules, err := readFile(e.options.File)
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return nil, err
		}
		all = rules
	}
	for _, dir := range e.options.Dirs {
		files, err := policyFiles(dir)
		if err != nil {
			return nil, err
		}
		for _, path := range files {
			rules, err := readFile(path)
			if err != nil {
				return nil, err
			}
			all = append(all, rules...)
		}
	}
	s, err := compile(e.defaults, all, e.options)
	if err != nil {
		return nil, err
	}
	s.marks = marks
	return s, nil
}

// marks are those of File and of what is in Dirs, File's first.
func (e *Enforcer) marks() []mark {
	list := make([]mark, 1, 4)
	if e.options.File != "" {
		list[0] = markOf(e.options.File)
	}
	for _, dir := range e.options.Dirs {
		list = append(list, markOf(dir))
		files, err := policyFiles(dir)
		if err != nil {
			continue // the folder's mark says it, and reading it fails
		}
		for _, path := range files {
			list = append(list, markOf(path))
		}
	}
	return list
}

// Rules are the rules as they count: the program's in its order, then those that only files have.
func (e *Enforcer) Rules() []Effective {
	s := e.current()
	list := make([]Effective, 0, len(s.order))
	for _, name := range s.order {
		list = append(list, s.rules[name].Effective)
	}
	return list
}
