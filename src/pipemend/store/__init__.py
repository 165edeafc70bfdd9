"""What we keep: tables, and plain functions of a database connection that read and change them. They never commit."""
