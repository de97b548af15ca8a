"""Clock hours and calendars: which instants belong to the weeks and days that people name."""
