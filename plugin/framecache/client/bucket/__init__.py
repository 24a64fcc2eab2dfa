"""A client of bare DICOM objects in a bucket, whose index lies in the bucket, too, and is everybody's."""
