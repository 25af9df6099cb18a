"""Booking of stations: request, hold, acceptance, confirmation, members, duty roster, plan."""
