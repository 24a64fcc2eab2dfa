"""Orthanc's configuration files, its Python and its folders as the command line finds them: no Orthanc runs here."""
