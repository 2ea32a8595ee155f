package tmux

import (
	"math"
	"strconv"
	"strings"
)

// exprHow is how numbers are calculated with.
type exprHow struct {
	decimals bool
	places   int
}

// maxPlaces bounds the decimals of a result.
const maxPlaces = 100

// addExpr reads operator, flags and places.
func (r *modsReader) addExpr(one oneModifier) error {
	if len(one.args) == 0 || len(one.args) > 3 {
		return notAvailable("modifier", "e with "+strconv.Itoa(len(one.args))+" arguments")
	}
	var text [3]string
	for i := range one.args {
		var err error
		if text[i], err = r.fixed(one, i); err != nil {
			return err
		}
	}
	switch text[0] {
	case "+", "-", "*", "/", "%", "m", "==", "!=", ">", "<", ">=", "<=":
	default:
		return notAvailable("operator", clip(text[0]))
	}
	how := exprHow{decimals: strings.Contains(text[1], "f")}
	if how.decimals {
		how.places = 2
	}
	if len(one.args) == 3 {
		n, ok := strtonum(text[2], 0, maxPlaces)
		if !ok {
			return notAvailable("number of places", clip(text[2]))
		}
		how.places = int(n)
	}
	r.modified.mods.expr = how
	r.choose(exprNode, text[0])
	return nil
}

// calculate returns left op right, or nothing if one is no number.
func (h exprHow) calculate(op, left, right string) string {
	a, ok1 := parseDouble(left)
	b, ok2 := parseDouble(right)
	if !ok1 || !ok2 {
		return ""
	}
	if !h.decimals {
		a, b = whole(a), whole(b)
	}
	result := operate(op, a, b)
	if !h.decimals {
		result = whole(result)
	}
	switch {
	case math.IsNaN(result):
		return "-nan"
	case math.IsInf(result, 1):
		return "inf"
	case math.IsInf(result, -1):
		return "-inf"
	}
	return strconv.FormatFloat(result, 'f', h.places, 64)
}

func operate(op string, a, b float64) float64 {
	const near = 1e-9
	truth := false
	switch op {
	case "+":
		return a + b
	case "-":
		return a - b
	case "*":
		return a * b
	case "/":
		return a / b
	case "%", "m":
		return math.Mod(a, b)
	case "==":
		truth = math.Abs(a-b) < near
	case "!=":
		truth = math.Abs(a-b) > near
	case ">":
		truth = a > b
	case ">=":
		truth = a >= b
	case "<":
		truth = a < b
	case "<=":
		truth = a <= b
	}
	if truth {
		return 1
	}
	return 0
}

// whole cuts the decimals off. What is no 64-bit number becomes the smallest
// one, as on the machines that tmux runs on.
func whole(f float64) float64 {
	if math.IsNaN(f) || f >= math.MaxInt64 || f < math.MinInt64 {
		return math.MinInt64
	}
	return float64(int64(f))
}

// parseDouble reads all of s as strtod(3) does: nothing at all is 0.
func parseDouble(s string) (float64, bool) {
	if s == "" {
		return 0, true
	}
	t := strings.TrimLeft(s, " \t\n\v\f\r")
	digits := strings.TrimPrefix(strings.TrimPrefix(t, "-"), "+")
	if len(t)-len(digits) > 1 || strings.ContainsAny(t, "_ \t\n\v\f\r") {
		return 0, false
	}
	lower := strings.ToLower(digits)
	if strings.HasPrefix(lower, "0x") && !strings.Contains(lower, "p") {
		t += "p0" // Go wants an exponent there
	}
	f, err := strconv.ParseFloat(t, 64)
	if err != nil && !math.IsInf(f, 0) { // too large is infinite, too small 0
		return 0, false
	}
	return f, true
}
