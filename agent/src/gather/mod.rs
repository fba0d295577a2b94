//! Looks: fills [`OsFacts`] through a [`Host`]. Judges nothing.
