"""What differs between two versions, and what is in one: tables and pages."""
