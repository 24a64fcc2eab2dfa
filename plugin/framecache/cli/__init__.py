"""The command `framecache`: steers the plugin in a running Orthanc through its routes under /frame-cache/."""
