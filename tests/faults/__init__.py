"""Campaigns of faults: kills, damage, full disks, rubbish; each can be run longer by anyone."""
