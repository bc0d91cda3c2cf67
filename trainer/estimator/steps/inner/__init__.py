"""The inner loop on one device: many steps in one device call."""
