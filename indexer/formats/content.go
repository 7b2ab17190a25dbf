package formats

import "bytes"

// content is bytes whose format is to be found, and then read: those of a file, or of what is packed in it.
type content struct {
	sheet  *sheet
	packed bool   // nothing packed is looked for in it
	prefix []byte // until the format is known
	reader reader // nil until then
}

// could are the formats that it may be in.
func (c *content) could() []format {
	if c.packed {
		return formats()
	}
	return append(formats(), format{"gzip", lookGzip, openGzip}, format{"zip", lookZip, openZip})
}

func (c *content) write(p []byte) {
	if c.sheet.closed || len(p) == 0 {
		return
	}
	if c.reader == nil {
		took := min(len(p), maxPrefix-len(c.prefix))
		c.prefix = append(c.prefix, p[:took]...)
		p = p[took:]
		if c.detect(); c.reader == nil {
			return
		}
		c.reader.write(c.prefix)
		c.prefix = nil
	}
	if len(p) > 0 && !c.sheet.closed {
		c.reader.write(p)
	}
}

// detect asks the formats what the prefix is, and opens a reader or gives up when one is sure or none is left.
func (c *content) detect() {
	full, open := len(c.prefix) >= maxPrefix, false
	for _, f := range c.could() {
		switch f.look(c.prefix) {
		case yes:
			c.reader = f.open(c.prefix, c.sheet)
			return
		case more:
			open = true
		}
	}
	if !open || full {
		c.sheet.giveUp()
	}
}

// couldBecome tells whether some format still asks for more bytes.
func (c *content) couldBecome() bool {
	for _, f := range c.could() {
		if f.look(c.prefix) == more {
			return true
		}
	}
	return false
}

// blank tells whether nothing has come that means anything.
func (c *content) blank() bool {
	return len(bytes.Trim(c.prefix, "\xef\xbb\xbf \t\r\n\x00\x1a")) == 0
}
