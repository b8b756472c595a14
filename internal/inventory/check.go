package inventory

import "os"

// CheckFile says what is wrong with an inventory file: a [FileError] if it is what
// stands in it.
func CheckFile(path string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	_, err = parse(path, text)
	return err
}
