package fault

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/edgelb/edgelb/internal/lab"
)

// FillDisk fills the disk with the host's haproxy.cfg, which should be a separate disk. Undo frees the space.
func FillDisk(host *lab.EdgeHost) (undo func() error, err error) {
	path := host.Path(filepath.Join(filepath.Dir(host.ConfigPath), "ballast"))
	ballast, err := os.Create(path)
	if err != nil {
		return nil, err
	}
	defer ballast.Close()
	// Pieces are smaller than a page, so that the last page is filled as well.
	piece := make([]byte, 1<<10)
	for err == nil {
		_, err = ballast.Write(piece)
	}
	if !errors.Is(err, unix.ENOSPC) {
		return nil, errors.Join(fmt.Errorf("fill the disk of %s: %w", host.Name, err), os.Remove(path))
	}
	return func() error { return os.Remove(path) }, nil
}

// PinConfig makes it impossible to replace a host's haproxy.cfg: by making it immutable, as `chattr +i` does, if the file system and
// the user's permissions allow that, and otherwise by a mount over it. How says which it was.
func PinConfig(host *lab.EdgeHost) (how string, undo func() error, err error) {
	path := host.Path(host.ConfigPath)
	if err := setImmutable(path, true); err == nil {
		return "chattr +i", func() error { return setImmutable(path, false) }, nil
	}
	return "a mount over the file", host.UncoverConfig, host.CoverConfig()
}

// immutable is FS_IMMUTABLE_FL of the kernel.
const immutable = 0x10

func setImmutable(path string, on bool) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	flags, err := unix.IoctlGetInt(int(file.Fd()), unix.FS_IOC_GETFLAGS)
	if err != nil {
		return err
	}
	if flags &^= immutable; on {
		flags |= immutable
	}
	return unix.IoctlSetPointerInt(int(file.Fd()), unix.FS_IOC_SETFLAGS, flags)
}
