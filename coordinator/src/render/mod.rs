//! One writer per format; none counts or decides.
