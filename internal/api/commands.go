package api

import (
	"context"
	"maps"
	"net/http"
	"slices"
	"strings"

	"l2gw"
)

// The modes of a switch database by the names that users see.
const (
	modeRun     = "run"
	modeObserve = string(l2gw.ModeObserve)
	modePaused  = string(l2gw.ModePaused)
)

func modeName(m l2gw.Mode) string {
	if m == l2gw.ModeRun {
		return modeRun
	}
	return string(m)
}

func acceptMode(name string, v any) (any, error) {
	switch v {
	case modeRun:
		return l2gw.ModeRun, nil
	case modeObserve, modePaused:
		return l2gw.Mode(v.(string)), nil
	}
	return nil, l2gw.BadAttribute(name, "'%s' is not in ['%s'].", str(v), strings.Join([]string{modeRun, modeObserve, modePaused}, "', '"))
}

// mountDeviceCommands adds what can be asked to be done with a switch's database.
func mountDeviceCommands(s *server) {
	command := func(name, summary string, do operation) offered {
		return offered{
			method: http.MethodPost, path: "/v2.0/l2-gateway-devices/{id}/" + name, do: do,
			rules: adminsMay(name+"_l2_gateway_device", summary),
			doc: operationDoc{
				id: name + "_l2_gateway_device", tag: "l2_gateway_devices", summary: summary,
				status: http.StatusNoContent, faults: commandFaults,
			},
		}
	}
	release := command("release", "Let go of removals that are held", s.releaseDevice)
	release.doc.faults = slices.Concat(commandFaults, bodyFaults)
	release.doc.body = schema{
		{"type", "object"},
		{"additionalProperties", false},
		{"properties", object{{"network_id", described(kind("string"), "The network whose removals are released. Left out: those of all networks.")}}},
	}
	release.doc.bodyOptional = true
	release.doc.bodyExample = object{{"network_id", "fdfb8d1a-9f7f-4796-b9af-b650b7a1ba65"}}
	s.offer(release, command("resync", "Look at the whole database now instead of at the next audit", s.resyncDevice))
}

// commandFaults are the errors of what the agents have to do.
var commandFaults = []fault{
	{http.StatusNotFound, "L2GatewayDeviceNotFound", "Nobody knows a switch or a database of this name."},
	{http.StatusConflict, "L2GatewayCommandFailed", "The agent cannot do it, and says why."},
}

// commands are those of this server, or why there are none.
func (s *server) commands() (Commands, error) {
	if s.Commands == nil {
		return nil, l2gw.ServiceUnavailable("The controller", nil)
	}
	return s.Commands, nil
}

// findDevice finds a switch by its name, or the first of a database by the
// database's: one that never showed a switch has no other.
func (s *server) findDevice(name string) (deviceView, error) {
	all := viewDevices(s.Devices.Databases())
	for _, matches := range []func(deviceView) bool{
		func(d deviceView) bool { return d.Name == name && name != "" },
		func(d deviceView) bool { return d.database.Name == name },
	} {
		if i := slices.IndexFunc(all, matches); i >= 0 {
			return all[i], nil
		}
	}
	return deviceView{}, l2gw.DeviceNotFound(name)
}

// deviceName is what a path names: if nothing has the name as it stands, its end
// may be the ".json" that clients may add.
func (s *server) deviceName(text string) string {
	if bare := strings.TrimSuffix(text, ".json"); bare != text {
		if _, err := s.findDevice(text); err != nil {
			return bare
		}
	}
	return text
}

// setMode is the update of a device. The answer has the new mode, which the
// agents have confirmed, although what they report may be older.
func (s *server) setMode(ctx context.Context, name string, change values) (deviceView, error) {
	d, err := s.findDevice(name)
	if err != nil {
		return d, err
	}
	mode, wanted := given[l2gw.Mode](change, "mode")
	if !wanted {
		return d, nil
	}
	commands, err := s.commands()
	if err != nil {
		return d, err
	}
	if err := commands.SetMode(ctx, name, mode); err != nil {
		return d, err
	}
	s.logCommand(ctx, "set mode", name, "mode", modeName(mode))
	if d, err = s.findDevice(name); err != nil {
		return d, err
	}
	d.database.Mode = mode
	if d.status != l2gw.StatusError {
		d.status, d.reason = deviceStatus(&d, nil)
	}
	return d, nil
}

func (s *server) releaseDevice(w http.ResponseWriter, r *http.Request) (answer, error) {
	body, err := readBody(w, r)
	if err != nil {
		return answer{}, err
	}
	networkID, err := releasedNetwork(body)
	if err != nil {
		return answer{}, err
	}
	return s.command(r, "release", func(c Commands, name string) error { return c.Release(r.Context(), name, networkID) }, "network_id", networkID)
}

// releasedNetwork reads {"network_id": …}. Without a body, or with an empty one,
// it is "": all of them. An empty network_id is refused: it is a mistake of who
// computed it, and would release more than was meant.
func releasedNetwork(body any) (string, error) {
	if body == nil {
		return "", nil
	}
	fields, ok := body.(map[string]any)
	if !ok {
		return "", badRequest("The request body is %s: it must be an object, such as {\"network_id\": \"…\"}, or left out", typeName(body))
	}
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		if name != "network_id" {
			return "", badRequest("Unrecognized attribute(s) %s", quoteList([]string{str(name)}))
		}
	}
	v, given := fields["network_id"]
	if !given {
		return "", nil
	}
	id, ok := v.(string)
	if !ok || id == "" {
		return "", l2gw.BadAttribute("network_id", "'%s' is not the id of a network. Leave it out to release all networks.", str(v))
	}
	return id, l2gw.CheckText("network_id", id)
}

func (s *server) resyncDevice(_ http.ResponseWriter, r *http.Request) (answer, error) {
	return s.command(r, "resync", func(c Commands, name string) error { return c.Resync(r.Context(), name) })
}

// command carries out what has no answer.
func (s *server) command(r *http.Request, command string, do func(c Commands, name string) error, attrs ...any) (answer, error) {
	if err := s.allow(r.Context(), command+"_l2_gateway_device", nil); err != nil {
		return answer{}, err
	}
	name := r.PathValue("id")
	if _, err := s.findDevice(name); err != nil {
		return answer{}, err
	}
	commands, err := s.commands()
	if err != nil {
		return answer{}, err
	}
	if err := do(commands, name); err != nil {
		return answer{}, err
	}
	s.logCommand(r.Context(), command, name, attrs...)
	return answer{http.StatusNoContent, nil}, nil
}

func (s *server) logCommand(ctx context.Context, command, device string, attrs ...any) {
	s.Logger.InfoContext(ctx, "device command done", append([]any{"command", command, "device", device, "request_id", l2gw.RequestOf(ctx)}, attrs...)...)
}
