"""From a report to text for people and machines. Writers look at a report only, never at evidence files."""
