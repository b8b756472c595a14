package main

import (
	"context"

	"l2gw"
	"l2gw/internal/controller"
	"l2gw/internal/fabric"
)

// commander says to the controller what operators ask of the API.
type commander struct{ *controller.Controller }

// SetMode implements api.Commands.
func (c commander) SetMode(ctx context.Context, name string, mode l2gw.Mode) error {
	command := fabric.CommandRun
	switch mode {
	case l2gw.ModeObserve:
		command = fabric.CommandObserve
	case l2gw.ModePaused:
		command = fabric.CommandPause
	}
	return c.Command(ctx, name, command, "")
}

// Release implements api.Commands.
func (c commander) Release(ctx context.Context, name, networkID string) error {
	return c.Command(ctx, name, fabric.CommandRelease, networkID)
}

// Resync implements api.Commands.
func (c commander) Resync(ctx context.Context, name string) error {
	return c.Command(ctx, name, fabric.CommandResync, "")
}
