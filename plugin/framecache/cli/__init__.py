"""The command `framecache`: controls the plugin in a running Orthanc through its routes under /frame-cache/."""
