package l2gw

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// Limits on what one request may declare, so that each is answered at once.
const (
	// MaxName is the length of names and descriptions in characters
	// (Neutron: NAME_FIELD_SIZE, DESCRIPTION_FIELD_SIZE).
	MaxName = 255
	// MaxDevices is the number of devices of one gateway.
	MaxDevices = 1_000
	// MaxBindings is the number of bindings that one connection makes: for each
	// interface of its gateway one, or one for each of the interface's VLANs.
	MaxBindings = 10_000
	// MaxChange is the number of bindings that one change of a gateway adds and
	// removes, of all its connections together: it is one step, for which others wait.
	MaxChange = 50_000
)

// ParseVLAN reads a VLAN id as Neutron's clients write it: digits, a sign and
// blanks around it. The errors are [SegmentationIDInvalid] and [SegmentationIDOutOfRange].
func ParseVLAN(s string) (VLAN, error) {
	s = strings.TrimSpace(s)
	digits := strings.TrimLeft(strings.TrimPrefix(strings.TrimPrefix(s, "-"), "+"), "0")
	switch {
	case strings.Trim(s, "+-") == "" || strings.Trim(digits, "0123456789") != "" || strings.ContainsAny(s[1:], "+-"):
		return 0, SegmentationIDInvalid()
	case digits == "":
		return 0, nil
	case s[0] == '-' || len(digits) > 4:
		return 0, SegmentationIDOutOfRange()
	}
	var v VLAN
	for _, c := range digits {
		v = v*10 + VLAN(c-'0')
	}
	if v > MaxVLAN {
		return 0, SegmentationIDOutOfRange()
	}
	return v, nil
}

// Validate checks what a gateway says of itself, without regard to others. The
// error is an [*Error]: Invalid for a wrong value, Conflict
// (L2GatewaySegmentationRequired) if within one device some interfaces have
// VLANs and others have none.
func (g *Gateway) Validate() error {
	if err := checkTexts(g.Name, g.Description, g.ProjectID); err != nil {
		return err
	}
	return validateDevices(g.Devices)
}

// Validate checks what a connection says of itself, without regard to its
// gateway and network. The error is an [*Error] with code Invalid.
func (c *Connection) Validate() error {
	if err := checkTexts("", c.Description, c.ProjectID); err != nil {
		return err
	}
	if c.NetworkID == "" {
		return BadAttribute("network_id", "'' is not a network's id.")
	}
	if err := CheckText("network_id", c.NetworkID); err != nil {
		return err
	}
	if err := CheckText("l2_gateway_id", c.GatewayID); err != nil {
		return err
	}
	if c.VLAN != nil && *c.VLAN > MaxVLAN {
		return SegmentationIDOutOfRange()
	}
	return nil
}

func checkTexts(name, description, project string) error {
	if err := CheckText("name", name); err != nil {
		return err
	}
	if err := CheckText("description", description); err != nil {
		return err
	}
	return CheckText("project_id", project)
}

// CheckText refuses, as the value of an attribute, text that some database or
// some switch cannot hold: longer than [MaxName], with NUL, or not UTF-8. The
// error is an [*Error] with code Invalid.
func CheckText(attribute, s string) error {
	if why := textFault(s); why != "" {
		return BadAttribute(attribute, "%s", why)
	}
	return nil
}

func textFault(s string) string {
	switch {
	case !utf8.ValidString(s):
		return "it is not valid UTF-8."
	case strings.ContainsRune(s, 0):
		return "'" + strings.ReplaceAll(clip(s), "\x00", `\x00`) + "' contains the character NUL."
	case utf8.RuneCountInString(s) > MaxName:
		return fmt.Sprintf("'%s' exceeds maximum length of %d.", clip(s), MaxName)
	}
	return ""
}

// clip keeps a message about a long text readable.
func clip(s string) string {
	const limit = 300
	if runes := []rune(s); len(runes) > limit {
		return string(runes[:limit]) + "…"
	}
	return s
}

// validateDevices checks all values first and consistency last: a wrong value
// (400) is told before a conflict (409).
func validateDevices(devices []Device) error {
	if len(devices) == 0 {
		return BadAttribute("devices", "Cannot create a gateway with an empty device list.")
	}
	if len(devices) > MaxDevices {
		return BadAttribute("devices", "%d devices are more than a gateway may have: the limit is %d.", len(devices), MaxDevices)
	}
	places := 0
	seen := make(map[string]bool, len(devices))
	for _, d := range devices {
		if d.Name == "" {
			return BadAttribute("devices", "Cannot create a gateway with an empty device_name.")
		}
		if why := textFault(d.Name); why != "" {
			return BadAttribute("devices", "device_name: %s", why)
		}
		if seen[d.Name] {
			return BadAttribute("devices", "device '%s' is given twice.", d.Name)
		}
		seen[d.Name] = true
		if err := validateInterfaces(d); err != nil {
			return err
		}
		if places += d.places(); places > MaxBindings {
			return BadAttribute("devices", "the interfaces and their segmentation ids are more than a gateway may have: the limit is %d.", MaxBindings)
		}
	}
	for _, d := range devices {
		own := d.ownVLANs()
		for _, i := range d.Interfaces {
			if (len(i.VLANs) > 0) != own {
				return SegmentationIDRequired()
			}
		}
	}
	return nil
}

func validateInterfaces(d Device) error {
	if len(d.Interfaces) == 0 {
		return BadAttribute("devices", "Cannot create a gateway with an empty interfaces.")
	}
	seen := make(map[string]bool, len(d.Interfaces))
	for _, i := range d.Interfaces {
		if i.Name == "" {
			return BadAttribute("devices", "Cannot create a gateway with an empty interface name.")
		}
		if why := textFault(i.Name); why != "" {
			return BadAttribute("devices", "interface name: %s", why)
		}
		if seen[i.Name] {
			return BadAttribute("devices", "interface '%s' of device '%s' is given twice.", i.Name, d.Name)
		}
		seen[i.Name] = true
		vlans := make(map[VLAN]bool, len(i.VLANs))
		for _, v := range i.VLANs {
			if v > MaxVLAN {
				return SegmentationIDOutOfRange()
			}
			if vlans[v] {
				return BadAttribute("devices", "segmentation_id %d of interface '%s' of device '%s' is given twice.", v, i.Name, d.Name)
			}
			vlans[v] = true
		}
	}
	return nil
}

// ownVLANs reports whether the device brings its VLANs; its interfaces agree on that.
func (d *Device) ownVLANs() bool {
	return len(d.Interfaces) > 0 && len(d.Interfaces[0].VLANs) > 0
}

func (d *Device) places() (n int) {
	for _, i := range d.Interfaces {
		n += max(1, len(i.VLANs))
	}
	return n
}

// Places is the number of bindings that each connection of g makes.
func (g *Gateway) Places() (n int) {
	for i := range g.Devices {
		n += g.Devices[i].places()
	}
	return n
}
