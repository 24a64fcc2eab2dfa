"""The measurements, by what they show."""
