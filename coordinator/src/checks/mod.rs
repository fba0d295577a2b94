//! Pure functions from facts to a verdict, AWS's side and where both sides must agree. No clock, no I/O, no log.
