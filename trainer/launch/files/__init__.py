"""YAML and JSON: places of what is read, typed fields, schemas, and documents as text."""
