package edge

import "time"

// ReadNamesLongAgo makes it long ago that all names of the host were read.
func (m *Memory) ReadNamesLongAgo() { m.namesReadAt = time.Time{} }
