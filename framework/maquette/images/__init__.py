"""Pictures: reading, resampling, framing, colour spaces, sheets, environment maps."""
