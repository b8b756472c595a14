package cli

import (
	"cmp"
	"context"
	"fmt"
	"net/http"

	"github.com/spf13/cobra"
)

// finding is a difference and where it is.
type finding struct {
	database string
	difference
}

var findingColumns = []column[finding]{
	{name: "Database", value: func(f finding) any { return f.database }},
	{name: "Table", value: func(f finding) any { return f.Table }},
	{name: "Row", value: func(f finding) any { return f.Row }},
	{name: "Wanted", value: func(f finding) any { return absent(f.Wanted) }},
	{name: "Held", value: func(f finding) any { return absent(f.Held) }},
}

// absent is what is not there: a dash for people, an empty text for programs.
func absent(s string) cell { return cell{cmp.Or(s, "-"), s} }

func (a *app) validate(use string) *cobra.Command {
	var f form
	c := &cobra.Command{
		Use:   use,
		Short: "Compare what switches should hold with what they hold at this moment",
		Long: `Compare what switches should hold with what they hold at this moment, and name
each difference. Without arguments all switches are compared.

Exit code: 0 all hold what they should, 1 there are differences, 2 a switch
could not be compared.

What switches should hold follows from the inventory as it was last read. When
it cannot be read now, that is told on standard error; it does not change the
exit code.`,
		Args:              names(0, -1),
		ValidArgsFunction: a.complete(a.deviceNames),
		RunE: func(c *cobra.Command, args []string) error {
			if err := check(&f, findingColumns); err != nil {
				return err
			}
			a.noteInventory(c.Context())
			checked, unchecked, err := a.compare(c.Context(), args)
			if err != nil {
				return &exitError{exitNotChecked, err.Error()}
			}
			var found []finding
			for _, v := range checked {
				for _, d := range v.Differences {
					found = append(found, finding{v.Database, d})
				}
			}
			if len(found) > 0 || f.format != "table" {
				if err := printList(a, &f, found, findingColumns); err != nil {
					return err
				}
			}
			return a.verdict(&f, checked, unchecked, len(found))
		},
	}
	f.flags(a, c, true)
	return c
}

// noteInventory tells that the switches are compared with an inventory that may
// be out of date. When it cannot be asked for, the comparison will tell.
func (a *app) noteInventory(ctx context.Context) {
	if state, err := a.inventory(ctx); err == nil && state.trouble() != "" {
		_, _ = fmt.Fprintf(a.env.Err, "Note: inventory: %s\n", state.trouble())
	}
}

// compare asks for the named switches, or for one of each database: a
// comparison is always of a whole database.
func (a *app) compare(ctx context.Context, names []string) (checked []validation, unchecked []string, err error) {
	if len(names) == 0 {
		all, err := fetch[switchState](ctx, a, "/l2-gateway-devices", "l2_gateway_devices", nil)
		if err != nil {
			return nil, nil, err
		}
		seen := map[string]bool{}
		for _, d := range all {
			switch {
			case d.Name == "":
				unchecked = append(unchecked, d.Database+": "+cmp.Or(d.StatusReason, "no switch was seen there"))
			case !seen[d.Database]:
				seen[d.Database] = true
				names = append(names, d.Name)
			}
		}
		if len(all) == 0 {
			return nil, nil, fmt.Errorf("no switch has been seen")
		}
	}
	done := map[string]bool{}
	for _, name := range names {
		v, err := send[validation](ctx, a, http.MethodGet, devicePath(name)+"/validate", "validation", nil)
		switch {
		case isNotFound(err):
			unchecked = append(unchecked, notFound("device", name).Error())
		case err != nil:
			unchecked = append(unchecked, name+": "+err.Error())
		case v.Error != "":
			unchecked = append(unchecked, name+" (database "+v.Database+"): "+v.Error)
		case !done[v.Database]:
			done[v.Database] = true
			checked = append(checked, v)
		}
	}
	return checked, unchecked, nil
}

// verdict sums up in words and in the exit code.
func (a *app) verdict(f *form, checked []validation, unchecked []string, found int) error {
	for _, v := range checked {
		if f.format != "table" {
			break
		}
		text := "in sync"
		switch n := len(v.Differences); {
		case n == 1:
			text = "1 difference"
		case n > 1:
			text = fmt.Sprintf("%d differences", n)
		}
		if _, err := fmt.Fprintf(a.env.Out, "%s: %s\n", v.Database, text); err != nil {
			return err
		}
	}
	for _, why := range unchecked {
		_, _ = fmt.Fprintf(a.env.Err, "Not compared: %s\n", why)
	}
	switch {
	case len(unchecked) > 0:
		return &exitError{exitNotChecked, ""}
	case found > 0:
		return &exitError{exitDiffers, ""}
	}
	return nil
}
