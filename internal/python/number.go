package python

import (
	"encoding/json"
	"math"
	"strconv"
	"strings"
)

// Float is a float as Python writes it: the shortest decimal that reads back the
// same, with a point or an exponent; or inf, -inf or nan.
func Float(f float64) string {
	switch {
	case math.IsInf(f, 1):
		return "inf"
	case math.IsInf(f, -1):
		return "-inf"
	case math.IsNaN(f):
		return "nan"
	}
	if a := math.Abs(f); a != 0 && (a < 1e-4 || a >= 1e16) {
		return strconv.FormatFloat(f, 'e', -1, 64)
	}
	s := strconv.FormatFloat(f, 'f', -1, 64)
	if !strings.Contains(s, ".") {
		s += ".0"
	}
	return s
}

// number is one of JSON as Python reads it: an int, however long, if it is written
// without a point and an exponent, else a float. One that no float can hold, of which
// Python makes inf, is left as it was written, which tells people more.
func number(n json.Number) string {
	s := n.String()
	if s == "-0" {
		return "0"
	}
	if strings.ContainsAny(s, ".eE") {
		if f, err := strconv.ParseFloat(s, 64); err == nil {
			return Float(f)
		}
	}
	return s
}
