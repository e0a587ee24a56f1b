"""One file per runtime: what runs an artifact on a device."""
