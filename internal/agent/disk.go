package agent

import "log/slog"

// disk is the StateDir.
type disk struct{ log *slog.Logger }

func openDisk(dir string, log *slog.Logger) (*disk, error) { return &disk{log}, nil }

func (d *disk) close()            {}
func (d *disk) readEpoch() uint64 { return 0 }
func (d *disk) writeEpoch(uint64) {}
