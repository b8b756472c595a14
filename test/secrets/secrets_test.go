package secrets

import "testing"

func TestASecretIsFoundInEveryFormThatALogMayHave(t *testing.T) {
	Keep(`s3cr3t/pass word`, "short")
	if Count() != 1 {
		t.Errorf("%d secrets are kept, want 1", Count())
	}
	for text, want := range map[string]int{
		"nothing here, and nothing short":    0,
		"password=s3cr3t/pass word":          1,
		"mysql://u:s3cr3t%2Fpass%20word@h/d": 1,
		"x=s3cr3t%2Fpass+word":               1,
		"Basic czNjcjN0L3Bhc3Mgd29yZA==":     1,
	} {
		if found := In([]byte(text)); len(found) != want {
			t.Errorf("%q: %v, want %d", text, found, want)
		}
	}
}
