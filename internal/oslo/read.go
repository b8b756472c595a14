package oslo

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// All that is read here returns the default if the option is not set or its value is wrong;
// what is wrong is to be found in Err. A group of "" is DEFAULT, and hyphens in names count as underscores.

// Has reports whether a file or the environment sets the option, be it to nothing.
func (c *Config) Has(group, name string) bool {
	_, ok := c.value(key(group, name))
	return ok
}

// Where tells where the value of an option was found; false if it is not set.
func (c *Config) Where(group, name string) (Origin, bool) {
	v, ok := c.value(key(group, name))
	return v.from, ok
}

// String reads a text (StrOpt). The default may refer to other options as well.
func (c *Config) String(group, name, otherwise string) string {
	o := key(group, name)
	v, ok := c.value(o)
	if !ok {
		v = value{otherwise, Origin{File: "default"}}
	}
	text, err := c.expand(v.text, o.group, []option{o})
	if err != nil {
		c.wrongReference(o, v, err)
		return otherwise
	}
	return text
}

// Multi reads all values of an option that may be given several times
// (MultiStrOpt), those of the first file first.
func (c *Config) Multi(group, name string, otherwise ...string) []string {
	o := key(group, name)
	vs := c.values(o)
	if len(vs) == 0 {
		return otherwise
	}
	texts := make([]string, 0, len(vs))
	for _, v := range vs {
		text, err := c.expand(v.text, o.group, []option{o})
		if err != nil {
			c.wrongReference(o, v, err)
			return otherwise
		}
		texts = append(texts, text)
	}
	return texts
}

// List reads a list (ListOpt): items with commas between, without the space around them.
// Commas at the end do not count. An item in quotes may have commas in it, and loses the quotes.
func (c *Config) List(group, name string, otherwise ...string) []string {
	text, ok, _, _ := c.text(group, name)
	if !ok {
		return otherwise
	}
	return splitList(text)
}

func splitList(text string) []string {
	text = strings.TrimRight(strings.TrimFunc(text, isSpace), ",")
	if text == "" {
		return []string{}
	}
	parts := strings.Split(text, ",")
	// "a","b": the parser took the first and the last mark for a pair around the whole.
	for _, q := range []string{`"`, "'"} {
		first, last := strings.TrimFunc(parts[0], isSpace), strings.TrimFunc(parts[len(parts)-1], isSpace)
		if len(parts) > 1 && strings.HasSuffix(first, q) && !strings.HasPrefix(first, q) && strings.HasPrefix(last, q) && !strings.HasSuffix(last, q) {
			parts[0], parts[len(parts)-1] = q+first, last+q
		}
	}
	var items []string
	for len(parts) > 0 {
		item, used := strings.TrimFunc(parts[0], isSpace), 1
		if item != "" && (item[0] == '"' || item[0] == '\'') {
			for n := 1; n <= len(parts); n++ {
				if whole := strings.TrimFunc(strings.Join(parts[:n], ","), isSpace); len(whole) > 1 && whole[len(whole)-1] == whole[0] {
					item, used = whole[1:len(whole)-1], n
					break
				}
			} // a quote that nothing closes is a character like others
		}
		items, parts = append(items, item), parts[used:]
	}
	return items
}

// Bool reads true, yes, on, 1 or false, no, off, 0, in small or capital letters (BoolOpt).
func (c *Config) Bool(group, name string, otherwise bool) bool {
	text, ok, o, v := c.text(group, name)
	if !ok {
		return otherwise
	}
	switch strings.ToLower(text) {
	case "true", "1", "on", "yes":
		return true
	case "false", "0", "off", "no":
		return false
	}
	c.wrong(o, v, "want true or false (also yes/no, on/off, 1/0)")
	return otherwise
}

// IntWithin reads a whole number in decimal digits, from least to most (IntOpt with min and max,
// PortOpt). An empty value counts as not set.
func (c *Config) IntWithin(group, name string, otherwise, least, most int) int {
	text, ok, o, v := c.text(group, name)
	if text = strings.TrimFunc(text, isSpace); !ok || text == "" {
		return otherwise
	}
	n, err := strconv.Atoi(digits(text))
	if err != nil || n < least || n > most {
		c.wrong(o, v, fmt.Sprintf("want a whole number from %d to %d", least, most))
		return otherwise
	}
	return n
}

// digits takes the single underscores between digits out that Python allows in numbers.
func digits(text string) string {
	b := make([]byte, 0, len(text))
	isDigit := func(i int) bool { return i >= 0 && i < len(text) && text[i] >= '0' && text[i] <= '9' }
	for i := range len(text) {
		if text[i] != '_' || !isDigit(i-1) || !isDigit(i+1) {
			b = append(b, text[i])
		}
	}
	return string(b)
}

// Choice reads one of a few words (StrOpt with choices).
func (c *Config) Choice(group, name, otherwise string, choices ...string) string {
	text, ok, o, v := c.text(group, name)
	if !ok {
		return otherwise
	}
	if !slices.Contains(choices, text) {
		c.wrong(o, v, "want one of "+strings.Join(choices, ", "))
		return otherwise
	}
	return text
}

// text is the one value of an option with its variables replaced; false if there is none to be had.
func (c *Config) text(group, name string) (string, bool, option, value) {
	o := key(group, name)
	v, ok := c.value(o)
	if !ok {
		return "", false, o, v
	}
	text, err := c.expand(v.text, o.group, []option{o})
	if err != nil {
		c.wrongReference(o, v, err)
		return "", false, o, v
	}
	return text, true, o, v
}

// wrongReference is about the $ in a value. What follows it in a password is a part of that.
func (c *Config) wrongReference(o option, v value, err error) {
	reason := err.Error()
	if secret(o.name) {
		reason = "what follows a $ in it is taken for the name of another option, and there is none; a dollar sign is written $$"
	}
	c.wrong(o, v, reason)
}

func (c *Config) wrong(o option, v value, reason string) {
	if secret(o.name) {
		v.text = ""
	}
	if v.from == (Origin{}) {
		v.from.File = "configuration"
	}
	err := &ValueError{Origin: v.from, Group: o.group, Name: o.name, Value: v.text, Reason: reason}
	for _, old := range c.errs {
		if old.Error() == err.Error() {
			return
		}
	}
	c.errs = append(c.errs, err)
}
